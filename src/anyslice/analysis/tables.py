"""Tidy tables: one row per run, seed and sub-network, from metrics, FLOPs and weights."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anyslice.analysis.statistics import Curve, mean_errors, mean_gap, two_way
from anyslice.config.families import FAMILIES
from anyslice.config.figures import (
    BatchNormFigure,
    BranchesFigure,
    BudgetFigure,
    GapsFigure,
    JointAloneFigure,
    LevelsFigure,
    PropertiesFigure,
)
from anyslice.config.scale import Scale
from anyslice.errors import AnysliceError
from anyslice.files import read_json
from anyslice.paths import METRICS, TIMING, flops_file, training_folder
from anyslice.taxonomy.record import read_taxonomy

Row = dict[str, Any]


def read_result(path: Path) -> Row:
    """A file of results; Snakemake has made it before it calls what reads it here."""
    try:
        found: Row = read_json(path)
    except FileNotFoundError as error:
        raise AnysliceError(
            f"{path} is not there yet; Snakemake makes it, and `anyslice status` lists the "
            "trainings of the scale that are missing"
        ) from error
    return found


def metrics_of(results: Path, run: str, seed: int) -> Row:
    """What metrics.json says of the training of a run "<dataset>/<run>"."""
    return read_result(training_folder(results, run, seed) / METRICS)


def training_rows(
    scale: Scale, dataset: str, run: str, seed: int, results: Path, role: str | None = None
) -> list[Row]:
    """The rows of one training, one for each sub-network.

    `results` is the scale's folder, with runs/ and flops/. `role` is what the run is in the figure,
    its name by default; claims speak of roles, which are the same at every scale.
    """
    metrics = metrics_of(results, f"{dataset}/{run}", seed)
    flops = read_result(flops_file(results, f"{dataset}/{run}"))
    K = len(flops["macs"])
    return [
        {
            "run": run,
            "role": role or run,
            "family": FAMILIES[scale.run(f"{dataset}/{run}").network.name].label,
            "kind": "anytime" if K > 1 else "fixed",
            "subnetwork": k + 1,
            "K": K,
            "seed": seed,
            "macs": flops["macs"][k],
            "all_ops": flops["all_ops"][k],
            "params": flops["params"][k],
            "stored_params": flops["stored_params"],
            "passes": flops["passes"],
            "step_macs": flops["cumulative_macs"][-1],
            "error": metrics["test_error"][k],
            "validation_error": metrics["validation_error"][k],
            "chosen_epoch": metrics["chosen_epoch"],
            "dataset": dataset,
            "scale": scale.name,
        }
        for k in range(K)
    ]


def budget_table(scale: Scale, figure: BudgetFigure, results: Path) -> pd.DataFrame:
    """What Figure 4 draws.

    Returns:
        Columns run, role, family, kind ("anytime" or "fixed"), subnetwork (1 ... K), K, seed, macs,
        all_ops, params, stored_params (of all sub-networks together), passes and step_macs (of one
        training step, for one image and forwards), error (test, in percent), validation_error,
        chosen_epoch, dataset, scale.
    """
    return _table(scale, figure.dataset, {run: run for run in figure.runs}, results)


def batch_norm_table(scale: Scale, figure: BatchNormFigure, results: Path) -> pd.DataFrame:
    """What Figure 3a draws: the columns of `budget_table`; role is "independent" or "shared"."""
    roles = {"independent": figure.independent, "shared": figure.shared}
    return _table(scale, figure.dataset, roles, results)


def _table(scale: Scale, dataset: str, roles: dict[str, str], results: Path) -> pd.DataFrame:
    """The rows of all seeds of the run that plays each role."""
    return pd.DataFrame(
        row
        for role, run in roles.items()
        for seed in scale.seeds
        for row in training_rows(scale, dataset, run, seed, results, role)
    )


def joint_alone_table(
    scale: Scale, figure: JointAloneFigure | PropertiesFigure, results: Path
) -> pd.DataFrame:
    """What Figure 3c draws: the columns of `budget_table`.

    role is "thin-joint", "thin-alone", "shallow-joint" or "shallow-alone". Rows of runs trained
    alone have as `subnetwork` the one that the run is, of the joint network's K.
    """
    rows: list[Row] = []
    dataset = figure.dataset
    for kind, pair in (("thin", figure.thin), ("shallow", figure.shallow)):
        for seed in scale.seeds:
            rows += training_rows(scale, dataset, pair.joint, seed, results, f"{kind}-joint")
            for k, run in enumerate(pair.alone, start=1):
                alone = training_rows(scale, dataset, run, seed, results, f"{kind}-alone")
                rows += [row | {"subnetwork": k, "K": len(pair.alone)} for row in alone]
    return pd.DataFrame(rows)


def branches_table(scale: Scale, figure: BranchesFigure, results: Path) -> pd.DataFrame:
    """What Figure 3b draws.

    Returns:
        Columns run, role ("joint" or "alone"), family, seed, block, branch (1 ... C), l1_norm (sum
        of the absolute weights that the block's third convolution has for the branch), dataset,
        scale.
    """
    rows: list[Row] = []
    for role, run in (("joint", figure.joint), ("alone", figure.alone)):
        for seed in scale.seeds:
            full = training_rows(scale, figure.dataset, run, seed, results, role)[-1]
            norms = metrics_of(results, f"{figure.dataset}/{run}", seed)["branch_norms"]
            rows += [
                full | {"block": figure.block, "branch": branch, "l1_norm": norm}
                for branch, norm in enumerate(norms[figure.block - 1], start=1)
            ]
    columns = ["run", "role", "family", "seed", "block", "branch", "l1_norm", "dataset", "scale"]
    return pd.DataFrame(rows, columns=columns)


def levels_table(scale: Scale, figure: LevelsFigure, results: Path) -> pd.DataFrame:
    """What Figure 5 draws.

    Returns:
        A row per seed, sub-network and level: the columns of `budget_table`, level (1 fine ... D),
        labels (number of labels of the level), target_error (in percent) and chosen (whether the
        sub-network takes this level to hold the target). Levels are chosen by the validation error,
        averaged over the seeds; errors are of test images.
    """
    rows: list[Row] = []
    for seed in scale.seeds:
        metrics = metrics_of(results, f"{figure.dataset}/{figure.run}", seed)
        labels = metrics["labels"]
        for row in training_rows(
            scale, figure.dataset, figure.run, seed, results, role="hierarchical"
        ):
            k = row["subnetwork"] - 1
            rows += [
                row
                | {
                    "level": level,
                    "labels": labels[level - 1],
                    "error": metrics["test_error_by_level"][k][level - 1],
                    "validation_error": metrics["validation_error_by_level"][k][level - 1],
                }
                for level in range(1, len(labels) + 1)
            ]
    return choose_levels(pd.DataFrame(rows), figure.target_error)


def choose_levels(table: pd.DataFrame, target_error: float | str) -> pd.DataFrame:
    """Add target_error and chosen to the rows of `levels_table`.

    Each sub-network takes the finest level whose validation error is at most the target (see
    `LevelsFigure`), or, if none is, the level of lowest error.
    """
    by_level = table.groupby(["subnetwork", "level"]).validation_error.mean().unstack()
    match target_error:
        case "full-network":
            target = float(by_level.to_numpy()[-1, 0])
        case "all-can-hold":
            target = float(by_level.min(axis=1).max())
        case _:
            target = float(target_error)
    choice = {
        k: next((d for d in errors.index if errors[d] <= target), errors.idxmin())
        for k, errors in by_level.iterrows()
    }
    return table.assign(target_error=target, chosen=table.level == table.subnetwork.map(choice))


def gaps_table(scale: Scale, figure: GapsFigure, results: Path) -> pd.DataFrame:
    """What a figure of gaps against epochs draws.

    Returns:
        Columns role ("MSDNet less I-ResNeXt"), epochs, value (the mean gap at equal cost, in
        percentage points), low, high (of its 95 % interval; see `two_way`), seeds, dataset, scale.

    Raises:
        AnysliceError: if networks share no cost.
    """
    rows: list[Row] = []
    for runs in figure.trainings:
        roles = {run: run for run in runs}
        errors = _table(scale, figure.dataset, roles, results)
        by_seed = {
            seed: [_curve(of_seed[of_seed.run == run], figure.x) for run in runs]
            for seed, of_seed in errors.groupby("seed")
        }
        try:
            means = np.transpose([mean_errors(curves) for curves in by_seed.values()])
        except ValueError as error:
            raise AnysliceError(
                f"{', '.join(runs)} of {figure.dataset} have no gaps at equal {figure.x}: {error}"
            ) from error
        for one, other in combinations(range(len(runs)), 2):
            pairs = [mean_gap(curves[one], curves[other]) for curves in by_seed.values()]
            gap = two_way(float(np.mean([found for found in pairs if found is not None])), means)
            families = [errors[errors.run == runs[n]].family.iloc[0] for n in (other, one)]
            rows.append(
                {
                    "role": " less ".join(families),
                    "epochs": scale.run(f"{figure.dataset}/{runs[0]}").recipe.epochs,
                    "value": gap.value,
                    "low": gap.low,
                    "high": gap.high,
                    "seeds": len(by_seed),
                    "dataset": figure.dataset,
                    "scale": scale.name,
                }
            )
    return pd.DataFrame(rows)


def _curve(rows: pd.DataFrame, cost: str) -> Curve:
    return Curve.of(rows[cost].tolist(), rows.error.tolist())


def runs_table(scale: Scale, runs: Sequence[str], results: Path) -> pd.DataFrame:
    """Every training of some of a scale's runs ("<dataset>/<run>").

    Returns:
        Columns dataset, run, family, seed, K, epochs, chosen_epoch, error_first and error_full
        (test, in percent), macs_first, macs_full, params_full, wall_seconds, machine.
    """
    rows: list[Row] = []
    for name in runs:
        dataset, _, run = name.partition("/")
        for seed in scale.seeds:
            of_training = training_rows(scale, dataset, run, seed, results)
            first, full = of_training[0], of_training[-1]
            metrics = metrics_of(results, name, seed)
            timing = read_result(training_folder(results, name, seed) / TIMING)
            rows.append(
                {key: full[key] for key in ("dataset", "run", "family", "seed", "K")}
                | {
                    "epochs": metrics["parameters"]["recipe"]["epochs"],
                    "chosen_epoch": full["chosen_epoch"],
                    "error_first": first["error"],
                    "error_full": full["error"],
                    "macs_first": first["macs"],
                    "macs_full": full["macs"],
                    "params_full": full["params"],
                    "wall_seconds": timing["wall_seconds"],
                    "machine": "; ".join(metrics["execution"]["devices"]),
                }
            )
    return pd.DataFrame(rows)


def taxonomy_table(path: Path) -> pd.DataFrame:
    """What the paper says of a taxonomy in numbers, from the file that `anyslice taxonomy` writes.

    Returns:
        Columns quantity ("non-leaf nodes", "depth" in nodes, "level 1" ... its labels) and value.
    """
    taxonomy = read_taxonomy(path)
    values = {"non-leaf nodes": len(taxonomy.tree.non_leaves), "depth": taxonomy.tree.depth}
    for number, level in enumerate(taxonomy.levels, start=1):
        values[f"level {number}"] = len(level.names)
    return pd.DataFrame(values.items(), columns=["quantity", "value"])
