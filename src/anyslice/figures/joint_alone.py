"""Figure 3c: shallow against thin sub-networks, alone (dashed) and joint (solid)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from anyslice.figures.curves import SHALLOW, THIN, LegendEntry, cost_axis, legend_below, plot_mean
from anyslice.figures.style import COLUMN, Face, print_style

ENTRIES = {
    "shallow-alone": LegendEntry("shallow, alone", SHALLOW, "v", "--"),
    "shallow-joint": LegendEntry("shallow, joint", SHALLOW, "v", "-"),
    "thin-alone": LegendEntry("thin, alone", THIN, "o", "--"),
    "thin-joint": LegendEntry("thin, joint", THIN, "o", "-"),
}


def draw(table: pd.DataFrame, face: Face) -> Figure:
    """Draw `analysis.tables.joint_alone_table`: a row per run, seed and sub-network."""
    with print_style():
        figure, axes = plt.subplots(figsize=(COLUMN, 3.4), layout="constrained")
        for role, entry in ENTRIES.items():
            plot_mean(axes, table[table.role == role], entry, x=face.x, y="error")
        cost_axis(axes, face)
        axes.set_ylabel("top-1 error (%)")
        legend_below(axes)
        face.put_on(figure, "sub-networks of ResNeXt")
    return figure
