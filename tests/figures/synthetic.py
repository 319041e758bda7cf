"""Results of a scale without trainings: errors from a formula, files as a training writes them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from anyslice.config.scale import Scale
from anyslice.files import write_json

IMAGES = 400
Errors = Callable[[str, str, int, int, int], float]
"""Dataset, run, sub-network k, seed, level -> error in percent."""


def write_results(scale: Scale, results: Path, errors: Errors, macs: Callable[..., float]) -> None:
    """Write flops/ and runs/ of every run that a figure shows.

    `macs` gives the MACs of (run name, network, k).
    """
    shown = dict.fromkeys(
        (figure.dataset, run) for figure in scale.figures.values() for run in figure.runs
    )
    for dataset, run in shown:
        settings = scale.datasets[dataset].runs[run]
        costs = [
            round(macs(run, settings.network, k))
            for k in range(1, settings.network.subnetworks + 1)
        ]
        write_json(
            results / "flops" / dataset / f"{run}.json",
            {
                "macs": costs,
                "all_ops": [round(1.05 * cost) for cost in costs],
                "params": costs,
                "cumulative_macs": costs,
            },
        )
        D = 3 if settings.hierarchy else 1
        for seed in scale.seeds:
            folder = results / "runs" / dataset / run / f"seed{seed}"
            folder.mkdir(parents=True)
            by_level = [
                [errors(dataset, run, k, seed, d) for d in range(1, D + 1)]
                for k in range(1, len(costs) + 1)
            ]
            write_json(
                folder / "metrics.json",
                {
                    "test_error": [of_k[0] for of_k in by_level],
                    "validation_error": [of_k[0] for of_k in by_level],
                    "test_error_by_level": by_level,
                    "validation_error_by_level": by_level,
                    "chosen_epoch": 1,
                    "wall_seconds": 10.0 * len(costs),
                    "parameters": {"recipe": {"epochs": settings.recipe.epochs}},
                },
            )
            save_predictions(folder, by_level, D)
            save_weights(folder, settings.network)


def save_predictions(folder: Path, by_level: list[list[float]], D: int) -> None:
    """Sub-network k has the first images right, as many as its error says."""
    labels = np.stack([np.arange(IMAGES) % (10 - 3 * d) for d in range(D)]).astype(np.int16)
    wrong = [np.arange(IMAGES) >= IMAGES * (1 - np.array(of_k)[:, None] / 100) for of_k in by_level]
    predictions = np.stack([np.where(w, labels + 1, labels) for w in wrong]).astype(np.int16)
    save_file({"predictions": predictions, "labels": labels}, folder / "predictions.safetensors")


def save_weights(folder: Path, network: object) -> None:
    """Third convolutions whose branch i has l1-norm W B (C - i) (i from 0), if it has branches."""
    L, W, B, C = (getattr(network, key, 0) for key in "LWBC")
    if not C:
        return
    weight = np.repeat(np.arange(C, 0, -1, dtype=np.float32), B)[None, :, None, None]
    save_file(
        {
            f"stages.{s}.{i}.conv3.weight": np.repeat(weight, W, axis=0)
            for s in range(3)
            for i in range(L // 3)
        },
        folder / "model.safetensors",
    )
