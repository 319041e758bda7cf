"""Figure 3c: shallow against thin sub-networks, alone (dashed) and joint (solid)."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from anyslice.figures.curves import SHALLOW, THIN, LegendEntry, draw_roles
from anyslice.figures.style import Face

ENTRIES = {
    "shallow-alone": LegendEntry("shallow, alone", SHALLOW, "v", "--"),
    "shallow-joint": LegendEntry("shallow, joint", SHALLOW, "v", "-"),
    "thin-alone": LegendEntry("thin, alone", THIN, "o", "--"),
    "thin-joint": LegendEntry("thin, joint", THIN, "o", "-"),
}


def draw(table: pd.DataFrame, face: Face) -> Figure:
    """Draw `analysis.tables.joint_alone_table`: a row per run, seed and sub-network."""
    return draw_roles(table, face, ENTRIES, height=3.4, note="sub-networks of ResNeXt")
