"""The properties that Section 2.1 asks of an anytime predictor, measured."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anyslice.config.families import labelled
from anyslice.figures.curves import SHALLOW, THIN, count_axis, macs_axis, plot_mean
from anyslice.figures.style import PAGE, Face, print_style

PAIRS = {"thin": (THIN, "o"), "shallow": (SHALLOW, "v")}


def draw(table: pd.DataFrame, face: Face) -> Figure:
    """Draw the table of `analysis.properties.properties_table`.

    Args:
        table: a row per measurement.
        face: title and notes.
    """
    with print_style():
        figure, panels = plt.subplots(2, 2, figsize=(PAGE, 5.4), layout="constrained")
        (curve, lost), (optimality, cost) = panels
        _plot_runs(curve, face, table, "error", x="macs")
        _plot_runs(lost, face, table, "lost", x="macs")
        _plot_runs(cost, face, table, "cost", x="subnetwork")
        _plot_optimality(optimality, table[table.property == "optimality"])

        _label(curve, "monotonicity: the curve", "top-1 error (%)")
        _label(lost, "monotonicity: right at k, wrong at a larger k", "test images (%)")
        _label(
            optimality, "optimality: joint minus alone, same seed", "difference of errors (points)"
        )
        _label(cost, "interruptibility: stopped after k", "MACs spent / MACs of k alone")
        for axes in (curve, lost, optimality):
            macs_axis(axes)
        largest = table.subnetwork[table.quantity == "cost"].max()
        count_axis(cost, largest, "sub-network k")
        for axes in (lost, cost):
            axes.set_ylim(bottom=0)
        cost.axhline(1, color="0.5", linewidth=0.8)
        optimality.axhline(0, color="0.5", linewidth=0.8)
        for row in (curve, optimality):
            handles, labels = row.get_legend_handles_labels()
            beside = lost if row is curve else cost
            beside.legend(
                handles, labels, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False
            )
        face.put_on(figure)
    return figure


def _plot_runs(axes: Axes, face: Face, table: pd.DataFrame, quantity: str, x: str) -> None:
    rows = table[table.quantity == quantity]
    several = rows.groupby("family").run.nunique() > 1
    for run, of_run in rows.groupby("run", sort=False):
        style, family = face.style(str(run)), labelled(of_run.family.iloc[0])
        label = f"{family.label}, {run}" if several[family.label] else family.label
        plot_mean(
            axes,
            of_run,
            x=x,
            y="value",
            color=style.colour or family.colour,
            marker=style.marker or family.marker,
            label=style.label or label,
        )


def _plot_optimality(axes: Axes, table: pd.DataFrame) -> None:
    for role, (colour, marker) in PAIRS.items():
        rows = table[table.role == role]
        plot_mean(axes, rows, x="macs", y="value", color=colour, marker=marker, label=role)


def _label(axes: Axes, title: str, y: str) -> None:
    axes.set_title(title, fontsize=8)
    axes.set_ylabel(y)
