"""Tidy tables: one row per run, seed and sub-network, from metrics and FLOPs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from anyslice.files import read_json
from anyslice.params import Figure, Scale

FAMILIES = {
    "i-resnext": "I-ResNeXt",
    "is-resnext": "IS-ResNeXt",
    "msdnet": "MSDNet",
    "shallow-resnext": "Shallow ResNeXt",
    "resnet": "ResNet",
    "resnext": "ResNeXt",
    "densenet-bc": "DenseNet-BC",
    "torchvision": "torchvision",
}


def budget_table(scale: Scale, figure: Figure, results: Path) -> pd.DataFrame:
    """What Figure 4 draws.

    Args:
        scale: gives the seeds and each run's network.
        figure: the data set and the runs.
        results: the scale's folder, with runs/ and flops/.

    Returns:
        Columns run, family, kind ("anytime" or "fixed"), subnetwork (1 ... K), K, seed, macs,
        all_ops, params, error (test, in percent), validation_error, chosen_epoch, dataset, scale.
    """
    return pd.DataFrame(
        row
        for run in figure.runs
        for seed in scale.seeds
        for row in training_rows(scale, figure.dataset, run, seed, results)
    )


def training_rows(
    scale: Scale, dataset: str, run: str, seed: int, results: Path
) -> list[dict[str, object]]:
    """The rows of one training, one for each sub-network."""
    metrics = read_json(results / "runs" / dataset / run / f"seed{seed}" / "metrics.json")
    flops = read_json(results / "flops" / dataset / f"{run}.json")
    K = len(flops["macs"])
    return [
        {
            "run": run,
            "family": FAMILIES[scale.run(f"{dataset}/{run}").network.name],
            "kind": "anytime" if K > 1 else "fixed",
            "subnetwork": k + 1,
            "K": K,
            "seed": seed,
            "macs": flops["macs"][k],
            "all_ops": flops["all_ops"][k],
            "params": flops["params"][k],
            "error": metrics["test_error"][k],
            "validation_error": metrics["validation_error"][k],
            "chosen_epoch": metrics["chosen_epoch"],
            "dataset": dataset,
            "scale": scale.name,
        }
        for k in range(K)
    ]
