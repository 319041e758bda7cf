"""A figure's table as LaTeX, for a paper to read in: means over seeds and their intervals."""

from __future__ import annotations

import pandas as pd
from tabulate import tabulate

from anyslice.analysis.statistics import interval
from anyslice.figures.style import ERROR_LABEL

HEADERS = {
    "family": "network",
    "run": "run",
    "role": "role",
    "property": "property",
    "quantity": "quantity",
    "subnetwork": "k",
    "level": "level",
    "labels": "labels",
    "branch": "branch",
    "epochs": "epochs",
    "macs": "MACs",
    "all_ops": "operations",
    "params": "parameters",
}
"""Columns that can tell rows apart, in the order in which they are shown, and their names."""

VALUES = {"error": ERROR_LABEL, "l1_norm": "l1-norm", "value": "value"}
"""The column that was measured; a table has one of them."""


def latex_of(table: pd.DataFrame, title: str, notes: str) -> str:
    """A figure's table as a tabular with the rules of booktabs, one row for all seeds.

    Above it stands a comment: the title, and notes that say what the intervals are. A table with
    columns low and high, one row for all seeds already, has its own.
    """
    same = {"role", "run"} <= set(table) and (table.role == table.run).all()
    keys = [key for key in HEADERS if key in table and not (same and key == "role")]
    value = next(key for key in VALUES if key in table)
    means = table.groupby(keys, sort=False, dropna=False)[value].agg(["mean", list]).reset_index()
    several = means["list"].map(len).max() > 1
    if "low" in table:
        means["list"] = table[["low", "high"]].to_numpy().tolist()
        several = bool(table.low.notna().any())
    rows = [
        [*(_said(row[key]) for key in keys), *_measured(row["mean"], row["list"], several)]
        for row in means.to_dict("records")
    ]
    headers = [*(HEADERS[key] for key in keys), VALUES[value], *(["interval"] if several else [])]
    left = sum(not pd.api.types.is_numeric_dtype(means[key]) for key in keys)
    body = tabulate(
        rows,
        headers,
        tablefmt="latex_booktabs",
        disable_numparse=True,
        colalign=["left"] * left + ["right"] * (len(headers) - left),
    )
    return f"% {title}; {notes}\n% It needs \\usepackage{{booktabs}}.\n{body}\n"


def _said(value: object) -> str:
    """A number with commas between its thousands."""
    return f"{value:,}" if isinstance(value, int) else str(value)


def _measured(mean: float, values: list[float], several: bool) -> list[str]:
    """The mean, and where there are several seeds its interval."""
    if not several:
        return [f"{mean:.2f}"]
    low, high = interval(values)
    return [f"{mean:.2f}", f"{low:.2f} to {high:.2f}" if len(values) > 1 else ""]
