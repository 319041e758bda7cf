"""Figure 5: the error of each sub-network at each label level, and the level it should take."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anyslice.figures.curves import LegendEntry, cost_axis, plot_mean
from anyslice.figures.style import LEVEL_COLOURS, PAGE, Face, print_style

MARKERS = ("o", "s", "^", "D", "v", "P")


def draw(table: pd.DataFrame, face: Face) -> Figure:
    """Draw the table of `analysis.tables.levels_table`: a row per seed, sub-network and level.

    Left, every level; right, the level that each sub-network takes to hold the target error.
    """
    with print_style():
        figure, (every, chosen) = plt.subplots(
            1, 2, figsize=(PAGE, 3.2), layout="constrained", sharex=True, sharey=True
        )
        for level in sorted(table.level.unique()):
            rows = table[table.level == level]
            _plot_level(every, face, rows, level, label=f"{rows.labels.iloc[0]} labels")
        _plot_chosen(chosen, face, table)
        every.set_title("every level", fontsize=8)
        chosen.set_title("the finest level that holds the target", fontsize=8)
        for axes in (every, chosen):
            cost_axis(axes, face)
        chosen.set_ylabel("")
        figure.legend(loc="outside right center", frameon=False)
        face.put_on(
            figure,
            f"{table.family.iloc[0]}, K={table.K.max()}; with the classifier of the fine level",
            "levels chosen on validation images, errors on test images",
        )
    return figure


def _plot_level(
    axes: Axes, face: Face, rows: pd.DataFrame, level: int, label: str | None = None
) -> None:
    number = (level - 1) % len(MARKERS)
    entry = LegendEntry(label, LEVEL_COLOURS[number], MARKERS[number], "-" if label else "none")
    plot_mean(axes, rows, entry, x=face.x, y="error")


def _plot_chosen(axes: Axes, face: Face, table: pd.DataFrame) -> None:
    chosen = table[table.chosen]
    means = chosen.groupby(face.x).error.mean()
    axes.plot(means.index, means, color="0.6", linewidth=1, zorder=0, label="chosen level")
    for level in sorted(chosen.level.unique()):
        _plot_level(axes, face, chosen[chosen.level == level], level)
    fine = table[table.level == 1].groupby(face.x).error.mean()
    colour = LEVEL_COLOURS[0]
    axes.plot(fine.index, fine, color=colour, linewidth=1, linestyle=":", label="fine labels only")
    target = table.target_error.iloc[0]
    axes.axhline(
        target, color="black", linewidth=0.8, linestyle="--", label=f"target, {target:.1f} %"
    )
