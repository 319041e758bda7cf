"""Figure 3a: errors of thin sub-networks with independent and with shared BN."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from anyslice.config.families import FAMILIES
from anyslice.figures.curves import LegendEntry, draw_roles
from anyslice.figures.style import Face

ENTRIES = {
    "independent": LegendEntry("independent BN", FAMILIES["i-resnext"].colour, "o"),
    "shared": LegendEntry("shared BN", FAMILIES["resnet"].colour, "s"),
}


def draw(table: pd.DataFrame, face: Face) -> Figure:
    """Draw the table of `analysis.tables.batch_norm_table`: a row per run, seed and sub-network."""
    return draw_roles(table, face, ENTRIES, height=3.2, note=f"I-ResNeXt, K={table.K.max()}")
