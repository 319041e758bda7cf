"""Figure 3a: errors of thin sub-networks with independent and with shared BN."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from anyslice.config.families import FAMILIES
from anyslice.figures.curves import LegendEntry, cost_axis, legend_below, plot_mean
from anyslice.figures.style import COLUMN, Face, print_style

ENTRIES = {
    "independent": LegendEntry("independent BN", FAMILIES["i-resnext"].colour, "o"),
    "shared": LegendEntry("shared BN", FAMILIES["resnet"].colour, "s"),
}


def draw(table: pd.DataFrame, face: Face) -> Figure:
    """Draw the table of `analysis.tables.batch_norm_table`: a row per run, seed and sub-network."""
    with print_style():
        figure, axes = plt.subplots(figsize=(COLUMN, 3.2), layout="constrained")
        for role, entry in ENTRIES.items():
            rows = table[table.role == role]
            styled = entry.styled(face.style(rows.run.iloc[0]))
            plot_mean(axes, rows, styled, x=face.x, y="error")
        cost_axis(axes, face)
        axes.set_ylabel("top-1 error (%)")
        legend_below(axes)
        face.put_on(figure, f"I-ResNeXt, K={table.K.max()}")
    return figure
