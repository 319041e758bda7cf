"""Figure 3b: what a branch contributes, as the l1-norm of its weights in the third convolution."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from anyslice.config.families import labelled
from anyslice.figures.curves import LegendEntry, count_axis, legend_below, plot_mean
from anyslice.figures.style import COLUMN, Face, print_style


def draw(table: pd.DataFrame, face: Face) -> Figure:
    """Draw the table of `analysis.tables.branches_table`: a row per run, seed and branch."""
    with print_style():
        figure, axes = plt.subplots(figsize=(COLUMN, 3.2), layout="constrained")
        for run, rows in table.groupby("run", sort=False):
            family = labelled(rows.family.iloc[0])
            entry = LegendEntry(family.label, family.colour, family.marker).styled(
                face.style(str(run))
            )
            plot_mean(axes, rows, entry, x="branch", y="l1_norm")
        count_axis(axes, table.branch.max(), f"branch of block {table.block.iloc[0]}")
        axes.set_ylabel("$\\ell_1$-norm of its third convolution")
        axes.set_ylim(bottom=0)
        legend_below(axes)
        face.put_on(figure)
    return figure
