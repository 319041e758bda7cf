"""The three properties of an anytime predictor that Section 2.1 names, measured.

monotonicity: more budget should not lose what less had right.
optimality: at each budget, a jointly trained sub-network should be as good as one trained alone.
interruptibility: stopped at any moment, the predictor should have an answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from anyslice.analysis.tables import Row, joint_alone_table
from anyslice.config.families import FAMILIES
from anyslice.config.figures import JointAloneFigure, PropertiesFigure
from anyslice.config.scale import Scale
from anyslice.files import read_json
from anyslice.paths import METRICS, flops_file, training_folder


def properties_table(scale: Scale, figure: PropertiesFigure, results: Path) -> pd.DataFrame:
    """Every measurement as a row.

    Returns:
        Columns property, quantity, role, family, run, seed, subnetwork, macs, value, dataset,
        scale. Quantities:

        monotonicity: "error" of sub-network k on test images; "lost", the percent of test images
            that k has right and some larger sub-network has wrong.
        optimality: "joint - alone", in percentage points, both with the same seed.
        interruptibility (no seed): "cost", the MACs spent when the k-th answer arrives after all
            before it, divided by the MACs of the k-th sub-network alone.
    """
    rows = [
        *_monotonicity(scale, figure, results),
        *_optimality(scale, figure, results),
        *_interruptibility(scale, figure, results),
    ]
    table = pd.DataFrame(row | {"dataset": figure.dataset, "scale": scale.name} for row in rows)
    return table.astype({"seed": "Int64"})


def _monotonicity(scale: Scale, figure: PropertiesFigure, results: Path) -> Iterator[Row]:
    for run in figure.lines:
        common, macs = _of_run(scale, figure, run, results)
        for seed in scale.seeds:
            folder = training_folder(results, f"{figure.dataset}/{run}", seed)
            metrics = read_json(folder / METRICS)
            measured = {"error": metrics["test_error"], "lost": metrics["lost_later"]}
            for quantity, values in measured.items():
                for k, value in enumerate(values, start=1):
                    yield common | {
                        "property": "monotonicity",
                        "quantity": quantity,
                        "seed": seed,
                        "subnetwork": k,
                        "macs": macs[k - 1],
                        "value": value,
                    }


def _optimality(scale: Scale, figure: PropertiesFigure, results: Path) -> Iterator[Row]:
    pairs = JointAloneFigure(
        kind="joint-alone", dataset=figure.dataset, thin=figure.thin, shallow=figure.shallow
    )
    table = joint_alone_table(scale, pairs, results)
    for kind in ("thin", "shallow"):
        joint, alone = (table[table.role == f"{kind}-{how}"] for how in ("joint", "alone"))
        paired = joint.merge(alone, on=["seed", "subnetwork"], suffixes=("", "_alone"))
        for row in paired.to_dict("records"):
            yield {
                "role": kind,
                "family": row["family"],
                "run": row["run"],
                "property": "optimality",
                "quantity": "joint - alone",
                "seed": row["seed"],
                "subnetwork": row["subnetwork"],
                "macs": row["macs"],
                "value": row["error"] - row["error_alone"],
            }


def _interruptibility(scale: Scale, figure: PropertiesFigure, results: Path) -> Iterator[Row]:
    for run in figure.lines:
        common, macs = _of_run(scale, figure, run, results)
        spent = read_json(flops_file(results, f"{figure.dataset}/{run}"))["cumulative_macs"]
        for k in range(1, len(macs) + 1):
            yield common | {
                "property": "interruptibility",
                "quantity": "cost",
                "seed": None,
                "subnetwork": k,
                "macs": macs[k - 1],
                "value": spent[k - 1] / macs[k - 1],
            }


def _of_run(
    scale: Scale, figure: PropertiesFigure, run: str, results: Path
) -> tuple[Row, list[int]]:
    """What all rows of a run have in common, and the MACs of its sub-networks."""
    flops = read_json(flops_file(results, f"{figure.dataset}/{run}"))
    family = FAMILIES[scale.run(f"{figure.dataset}/{run}").network.name].label
    return {"role": run, "family": family, "run": run}, flops["macs"]
