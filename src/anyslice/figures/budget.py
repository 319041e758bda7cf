"""Figure 4: top-1 error against cost, anytime networks as lines, fixed-budget ones as points."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from anyslice.config.families import labelled
from anyslice.figures.curves import LegendEntry, cost_axis, legend_right, plot_mean
from anyslice.figures.style import PAGE, Face, print_style

DASHES = ("-", "--", ":", "-.")
"""Of four lines of a colour."""
MORE_COLOURS = sns.color_palette("husl", 8)
"""Of a family's fifth line and those after it."""


def draw(table: pd.DataFrame, face: Face) -> Figure:
    """Draw the table of `analysis.tables.budget_table`: a row per run, seed and sub-network."""
    with print_style():
        figure, axes = plt.subplots(figsize=(PAGE, 3.4), layout="constrained")
        for run, entry in legend_entries(table, face).items():
            plot_mean(axes, table[table.run == run], entry, x=face.x, y="error")
        cost_axis(axes, face)
        legend_right(axes)
        face.put_on(figure)
    return figure


def legend_entries(table: pd.DataFrame, face: Face) -> dict[str, LegendEntry]:
    """How each run is plotted, in the order of the legend: no two runs share an entry.

    The points of a family are one entry, but for those that the figure styles.
    """
    entries: dict[str, LegendEntry] = {}
    for _, rows in table[table.kind == "anytime"].groupby("family", sort=False):
        entries |= _lines(rows)
    for _, rows in table[table.kind == "fixed"].groupby("family", sort=False):
        entries |= _points(rows, face)
    entries = {run: entry.styled(face.style(run)) for run, entry in entries.items()}
    uses = Counter(entry.label for entry in entries.values() if entry.label)
    shared = [run for run, entry in entries.items() if entry.label and uses[entry.label] > 1]
    return entries | {
        run: replace(entries[run], label=f"{entries[run].label}, {run}") for run in shared
    }


def _lines(rows: pd.DataFrame) -> dict[str, LegendEntry]:
    """Lines of a family share its colour and differ by dashes; their labels say K."""
    family = labelled(rows.family.iloc[0])
    K = rows.groupby("run", sort=False).K.first()
    return {
        str(run): LegendEntry(
            label=f"{family.label} (K={of_run})" if len(K) > 1 else family.label,
            colour=family.colour if number < 4 else MORE_COLOURS[(number // 4 - 1) % 8],
            marker=family.marker,
            line=DASHES[number % 4],
        )
        for number, (run, of_run) in enumerate(K.items())
    }


def _points(rows: pd.DataFrame, face: Face) -> dict[str, LegendEntry]:
    """Points of a family look the same and are one entry, but for those that the figure styles."""
    family = labelled(rows.family.iloc[0])
    runs = [str(run) for run in rows.run.unique()]
    first = next((run for run in runs if run not in face.styles), None)
    labels = {run: f"{family.label} ({run})" for run in face.styles} | {first: family.label}
    return {run: LegendEntry(labels.get(run), family.colour, family.marker, "none") for run in runs}
