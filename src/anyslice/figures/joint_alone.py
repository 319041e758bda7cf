"""Figure 3c: shallow against thin sub-networks, alone (dashed) and joint (solid)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from anyslice.figures.curves import ALONE, JOINT, SHALLOW, THIN, cost_axis, legend_below, plot_mean
from anyslice.figures.style import COLUMN, Face, print_style

LOOKS = {
    "shallow-alone": (SHALLOW, "v", ALONE, "shallow, alone"),
    "shallow-joint": (SHALLOW, "v", JOINT, "shallow, joint"),
    "thin-alone": (THIN, "o", ALONE, "thin, alone"),
    "thin-joint": (THIN, "o", JOINT, "thin, joint"),
}


def draw(table: pd.DataFrame, face: Face) -> Figure:
    """Draw the table of `analysis.tables.joint_alone_table`.

    Args:
        table: a row per run, seed and sub-network.
        face: title and notes.
    """
    with print_style():
        figure, axes = plt.subplots(figsize=(COLUMN, 3.4), layout="constrained")
        for role, (colour, marker, line, label) in LOOKS.items():
            plot_mean(
                axes,
                table[table.role == role],
                x=face.x,
                y="error",
                color=colour,
                marker=marker,
                line=line,
                label=label,
            )
        cost_axis(axes, face)
        axes.set_ylabel("top-1 error (%)")
        legend_below(axes, columns=2)
        face.put_on(figure, "sub-networks of ResNeXt")
    return figure
