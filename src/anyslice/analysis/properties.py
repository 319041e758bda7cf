"""The three properties of an anytime predictor that Section 2.1 names, measured.

monotonicity: more budget should not lose what less had right.
optimality: at each budget, a jointly trained sub-network should be as good as one trained alone.
interruptibility: stopped at any moment, the predictor should have an answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from anyslice.analysis.tables import Row, joint_alone_table, metrics_of, read_result, training_rows
from anyslice.config.figures import PropertiesFigure
from anyslice.config.scale import Scale
from anyslice.paths import flops_file


def properties_table(scale: Scale, figure: PropertiesFigure, results: Path) -> pd.DataFrame:
    """Every measurement as a row.

    Returns:
        Columns role, family, run, property, quantity, seed, subnetwork, macs, value, dataset,
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
    columns = ["role", "family", "run", "property", "quantity", "seed", "subnetwork", "macs"]
    table = pd.DataFrame(rows, columns=[*columns, "value", "dataset", "scale"])
    return table.astype({"seed": "Int64"})


def _monotonicity(scale: Scale, figure: PropertiesFigure, results: Path) -> Iterator[Row]:
    for run in figure.lines:
        for seed in scale.seeds:
            rows = training_rows(scale, figure.dataset, run, seed, results)
            lost = metrics_of(results, f"{figure.dataset}/{run}", seed)["lost_later"]
            measured = {"error": [row["error"] for row in rows], "lost": lost}
            for quantity, values in measured.items():
                for row, value in zip(rows, values, strict=True):
                    yield row | _measured("monotonicity", quantity, value)


def _optimality(scale: Scale, figure: PropertiesFigure, results: Path) -> Iterator[dict[Any, Any]]:
    table = joint_alone_table(scale, figure, results)
    for kind in ("thin", "shallow"):
        joint, alone = (table[table.role == f"{kind}-{how}"] for how in ("joint", "alone"))
        paired = joint.merge(alone, on=["seed", "subnetwork"], suffixes=("", "_alone"))
        for row in paired.to_dict("records"):
            more = row["error"] - row["error_alone"]
            yield row | {"role": kind} | _measured("optimality", "joint - alone", more)


def _interruptibility(scale: Scale, figure: PropertiesFigure, results: Path) -> Iterator[Row]:
    for run in figure.lines:
        spent = read_result(flops_file(results, f"{figure.dataset}/{run}"))["cumulative_macs"]
        rows = training_rows(scale, figure.dataset, run, scale.seeds[0], results)
        for row, macs in zip(rows, spent, strict=True):
            cost = macs / row["macs"]
            yield row | {"seed": None} | _measured("interruptibility", "cost", cost)


def _measured(name: str, quantity: str, value: float) -> Row:
    return {"property": name, "quantity": quantity, "value": value}
