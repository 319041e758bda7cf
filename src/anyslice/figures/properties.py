"""The properties that Section 2.1 asks of an anytime predictor, measured."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anyslice.config.families import labelled
from anyslice.figures.curves import (
    COSTS,
    SHALLOW,
    THIN,
    LegendEntry,
    count_axis,
    legend_right,
    log_axis,
    plot_mean,
)
from anyslice.figures.style import ERROR_LABEL, PAGE, Face, print_style

PAIRS = {"thin": LegendEntry("thin", THIN, "o"), "shallow": LegendEntry("shallow", SHALLOW, "v")}


def draw(table: pd.DataFrame, face: Face) -> Figure:
    """Draw the table of `analysis.properties.properties_table`: a row per measurement."""
    with print_style():
        figure, panels = plt.subplots(2, 2, figsize=(PAGE, 5.4), layout="constrained")
        (curve, lost), (optimality, cost) = panels
        _plot_runs(curve, face, table, "error", x="macs")
        _plot_runs(lost, face, table, "lost", x="macs")
        _plot_runs(cost, face, table, "cost", x="subnetwork")
        for role, entry in PAIRS.items():
            rows = table[(table.property == "optimality") & (table.role == role)]
            plot_mean(optimality, rows, entry, x="macs", y="value")

        _label(curve, "monotonicity: the curve", ERROR_LABEL)
        _label(lost, "monotonicity: right at k, wrong at a larger k", "test images (%)")
        _label(
            optimality, "optimality: joint minus alone, same seed", "difference of errors (points)"
        )
        _label(cost, "interruptibility: stopped after k", "MACs spent / MACs of k alone")
        for axes in (curve, lost, optimality):
            log_axis(axes, COSTS["macs"][0])
        largest = table.subnetwork[table.quantity == "cost"].max()
        count_axis(cost, largest, "sub-network k")
        for axes in (lost, cost):
            axes.set_ylim(bottom=0)
        cost.axhline(1, color="0.5", linewidth=0.8)
        optimality.axhline(0, color="0.5", linewidth=0.8)
        for axes, beside in ((curve, lost), (optimality, cost)):
            legend_right(beside, *axes.get_legend_handles_labels())
        face.put_on(figure)
    return figure


def _plot_runs(axes: Axes, face: Face, table: pd.DataFrame, quantity: str, x: str) -> None:
    rows = table[table.quantity == quantity]
    several = rows.groupby("family").run.nunique() > 1
    for run, of_run in rows.groupby("run", sort=False):
        family = labelled(of_run.family.iloc[0])
        label = f"{family.label}, {run}" if several[family.label] else family.label
        entry = LegendEntry(label, family.colour, family.marker).styled(face.style(str(run)))
        plot_mean(axes, of_run, entry, x=x, y="value")


def _label(axes: Axes, title: str, y: str) -> None:
    axes.set_title(title, fontsize=8)
    axes.set_ylabel(y)
