"""The properties that Section 2.1 asks of an anytime predictor, measured."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from anyslice.config.families import labelled
from anyslice.figures.curves import SHALLOW, THIN, count_axis, macs_axis, plot_mean
from anyslice.figures.style import PAGE, Face, print_style, save

PAIRS = {"thin": (THIN, "o"), "shallow": (SHALLOW, "v")}


def draw(table: pd.DataFrame, face: Face, stem: Path) -> None:
    """Draw the table of `analysis.properties.properties_table`.

    Args:
        table: a row per measurement.
        face: title and notes.
        stem: output path without its ending; .pdf and .png are written.
    """
    with print_style():
        figure, panels = plt.subplots(2, 2, figsize=(PAGE, 5.4), layout="constrained")
        (curve, lost), (optimality, cost) = panels
        _plot_runs(curve, table, "error", x="macs")
        _plot_runs(lost, table, "lost", x="macs")
        _plot_runs(cost, table, "cost", x="subnetwork")
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
        save(figure, stem)


def _plot_runs(axes: Axes, table: pd.DataFrame, quantity: str, x: str) -> None:
    rows = table[table.quantity == quantity]
    for family, of_family in rows.groupby("family", sort=False):
        plot_mean(
            axes,
            of_family,
            x=x,
            y="value",
            color=labelled(str(family)).colour,
            marker=labelled(str(family)).marker,
            label=str(family),
        )


def _plot_optimality(axes: Axes, table: pd.DataFrame) -> None:
    for role, (colour, marker) in PAIRS.items():
        rows = table[table.role == role]
        plot_mean(axes, rows, x="macs", y="value", color=colour, marker=marker, label=role)


def _label(axes: Axes, title: str, y: str) -> None:
    axes.set_title(title, fontsize=8)
    axes.set_ylabel(y)
