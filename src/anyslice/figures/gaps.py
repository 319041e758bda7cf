"""Mean error gaps at equal cost against the epochs trained, with their intervals."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from anyslice.figures.curves import legend_below
from anyslice.figures.style import COLUMN, PALETTE, Face, print_style

MARKERS = ("o", "s", "^", "D", "v", "P")
APART = 1.03
"""The factor along x by which contrasts stand apart, so that their bars do not hide one another."""


def draw(table: pd.DataFrame, face: Face) -> Figure:
    """Draw the table of `analysis.tables.gaps_table`: a row per contrast and number of epochs."""
    with print_style():
        figure, axes = plt.subplots(figsize=(COLUMN, 3.6), layout="constrained")
        for number, (contrast, rows) in enumerate(table.groupby("role", sort=False)):
            axes.errorbar(
                rows.epochs * APART**number,
                rows.value,
                yerr=[rows.value - rows.low, rows.high - rows.value],
                label=contrast,
                color=PALETTE[number % len(PALETTE)],
                marker=MARKERS[number % len(MARKERS)],
                markersize=4,
                linewidth=1.3,
                elinewidth=0.8,
                capsize=2,
            )
        axes.axhline(0, color="0.5", linewidth=0.8)
        axes.set_xscale("log")
        epochs = sorted(table.epochs.unique())
        axes.set_xticks(epochs, [str(number) for number in epochs])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set(xlabel="epochs trained", ylabel="gap of test errors (points)")
        legend_below(axes, columns=1)
        face.put_on(figure)
    return figure
