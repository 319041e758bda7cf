"""Figure 3b: what a branch contributes, as the l1-norm of its weights in the third convolution."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from anyslice.config.families import labelled
from anyslice.figures.curves import count_axis, legend_below, plot_mean
from anyslice.figures.style import COLUMN, Face, print_style, save


def draw(table: pd.DataFrame, face: Face, stem: Path) -> None:
    """Draw the table of `analysis.tables.branches_table`.

    Args:
        table: a row per run, seed and branch.
        face: title and notes.
        stem: output path without its ending; .pdf and .png are written.
    """
    with print_style():
        figure, axes = plt.subplots(figsize=(COLUMN, 3.2), layout="constrained")
        for family, rows in table.groupby("family", sort=False):
            plot_mean(
                axes,
                rows,
                x="branch",
                y="l1_norm",
                color=labelled(str(family)).colour,
                marker=labelled(str(family)).marker,
                label=str(family),
            )
        count_axis(axes, table.branch.max(), f"branch of block {table.block.iloc[0]}")
        axes.set_ylabel("$\\ell_1$-norm of its third convolution")
        axes.set_ylim(bottom=0)
        legend_below(axes, columns=2)
        face.put_on(figure)
        save(figure, stem)
