"""Figure 3a: errors of thin sub-networks with independent and with shared BN."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from anyslice.config.families import FAMILIES
from anyslice.figures.curves import legend_below, macs_axis, plot_mean
from anyslice.figures.style import COLUMN, Face, print_style, save

LOOKS = {
    "independent": (FAMILIES["i-resnext"].colour, "o", "independent BN"),
    "shared": (FAMILIES["resnet"].colour, "s", "shared BN"),
}


def draw(table: pd.DataFrame, face: Face, stem: Path) -> None:
    """Draw the table of `analysis.tables.batch_norm_table`.

    Args:
        table: a row per run, seed and sub-network.
        face: title and notes.
        stem: output path without its ending; .pdf and .png are written.
    """
    with print_style():
        figure, axes = plt.subplots(figsize=(COLUMN, 3.2), layout="constrained")
        for role, (colour, marker, label) in LOOKS.items():
            rows = table[table.role == role]
            plot_mean(axes, rows, x="macs", y="error", color=colour, marker=marker, label=label)
        macs_axis(axes)
        axes.set_ylabel("top-1 error (%)")
        legend_below(axes, columns=2)
        face.put_on(figure, f"I-ResNeXt, K={table.K.max()}")
        save(figure, stem)
