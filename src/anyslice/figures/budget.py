"""Figure 4: top-1 error against MACs, anytime networks as lines, fixed-budget ones as points."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from anyslice.evaluation.errors import describe_interval, interval
from anyslice.figures.style import COLOURS, MARKERS, PAGE, caption, print_style, save

LINES = ("-", "--", ":", "-.")


def draw(table: pd.DataFrame, *, title: str, scale: str, data: str, stem: Path) -> None:
    """Draw the table of `evaluation.tables.budget_table`.

    Args:
        table: a row per run, seed and sub-network.
        title: above the axes.
        scale: the scale's name, for the caption.
        data: what the images are, for the caption.
        stem: output path without its ending; .pdf and .png are written.
    """
    with print_style():
        figure, axes = plt.subplots(figsize=(PAGE * 0.72, 3.0), layout="constrained")
        for kind in ("anytime", "fixed"):
            of_kind = table[table.kind == kind]
            for family, of_family in of_kind.groupby("family", sort=False):
                _plot_family(axes, of_family, str(family), kind)
        _label(axes, title)
        seeds = describe_interval(table.seed.nunique())
        caption(figure, f"scale {scale}: {data}; {seeds}; MACs of convolutions and linear layers")
        save(figure, stem)


def _plot_family(axes: Axes, rows: pd.DataFrame, family: str, kind: str) -> None:
    """All runs of a family in one colour; several lines are told apart by their dashes and K."""
    runs = list(rows.run.unique())
    for number, run in enumerate(runs):
        of_run = rows[rows.run == run]
        if kind == "fixed":
            _plot(axes, of_run, family, label=family if number == 0 else None, line="none")
        else:
            label = family if len(runs) == 1 else f"{family} (K={of_run.K.iloc[0]})"
            _plot(axes, of_run, family, label=label, line=LINES[number])


def _plot(axes: Axes, rows: pd.DataFrame, family: str, *, label: str | None, line: str) -> None:
    """One run: its mean error over the seeds at each sub-network's MACs."""
    by_subnetwork = rows.groupby("subnetwork").agg(
        macs=("macs", "first"), error=("error", "mean"), seeds=("error", list)
    )
    bounds = [interval(values) for values in by_subnetwork.seeds]
    below = by_subnetwork.error - [low for low, _ in bounds]
    above = [high for _, high in bounds] - by_subnetwork.error
    axes.errorbar(
        by_subnetwork.macs,
        by_subnetwork.error,
        yerr=[below.clip(lower=0), above.clip(lower=0)],
        label=label,
        color=COLOURS[family],
        marker=MARKERS[family],
        linestyle=line,
        markersize=5.5 if line == "none" else 4,
        markeredgecolor="white",
        markeredgewidth=0.4,
        linewidth=1.3,
        elinewidth=0.8,
        capsize=1.5,
    )


def _label(axes: Axes, title: str) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("MACs")
    axes.set_ylabel("top-1 error (%)")
    axes.set_title(title, fontsize=9)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
