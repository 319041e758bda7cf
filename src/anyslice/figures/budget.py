"""Figure 4: top-1 error against MACs, anytime networks as lines, fixed-budget ones as points."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from anyslice.config.families import labelled
from anyslice.figures.curves import legend_right, macs_axis, plot_mean
from anyslice.figures.style import PAGE, Face, print_style, save

LINES = ("-", "--", ":", "-.")


def draw(table: pd.DataFrame, face: Face, stem: Path) -> None:
    """Draw the table of `analysis.tables.budget_table`.

    Args:
        table: a row per run, seed and sub-network.
        face: title and notes.
        stem: output path without its ending; .pdf and .png are written.
    """
    with print_style():
        figure, axes = plt.subplots(figsize=(PAGE, 3.4), layout="constrained")
        for kind in ("anytime", "fixed"):
            of_kind = table[table.kind == kind]
            for family, of_family in of_kind.groupby("family", sort=False):
                _plot_family(axes, of_family, str(family), kind)
        macs_axis(axes)
        axes.set_ylabel("top-1 error (%)")
        legend_right(axes)
        face.put_on(figure)
        save(figure, stem)


def _plot_family(axes: Axes, rows: pd.DataFrame, family: str, kind: str) -> None:
    """All runs of a family in one colour; several lines are told apart by their dashes and K."""
    runs = list(rows.run.unique())
    for number, run in enumerate(runs):
        of_run = rows[rows.run == run]
        if kind == "fixed":
            line, label = "none", family if number == 0 else None
        else:
            line = LINES[number]
            label = family if len(runs) == 1 else f"{family} (K={of_run.K.iloc[0]})"
        plot_mean(
            axes,
            of_run,
            x="macs",
            y="error",
            color=labelled(family).colour,
            marker=labelled(family).marker,
            line=line,
            label=label,
        )
