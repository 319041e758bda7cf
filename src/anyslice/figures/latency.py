"""Error against measured time, beside the picture that MACs give."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

from anyslice.config.families import labelled
from anyslice.costs.machine import Machine
from anyslice.figures.curves import COSTS, legend_right, log_axis
from anyslice.figures.style import ERROR_LABEL, PAGE, Face, pdf_and_png, print_style, save

OTHER_WAYS = {"eager": "--", "all exits": ":"}
"""The lines of other ways to run a network, in files of earlier versions; the engine's is solid."""


def draw(table: pd.DataFrame, machine: Machine, path: Path) -> None:
    """Draw the rows of `costs.latency.time_subnetworks`: <path> as .pdf and .png.

    There is a row per run, sub-network, batch and way to run it; `path` is that of either file.
    """
    batches = sorted(table.batch.unique())
    engine = next(way for way in table.engine if way not in OTHER_WAYS)
    with print_style():
        figure, panels = plt.subplots(
            1, 1 + len(batches), figsize=(PAGE, 2.9), sharey=True, layout="constrained"
        )
        _plot(panels[0], table[(table.batch == batches[0]) & (table.engine == engine)], "macs")
        log_axis(panels[0], COSTS["macs"][0])
        panels[0].set_ylabel(ERROR_LABEL)
        for axes, batch in zip(panels[1:], batches, strict=True):
            _plot(axes, table[table.batch == batch], "milliseconds")
            log_axis(axes, "milliseconds")
            axes.xaxis.set_major_formatter("{x:g}")  # "500 m" milliseconds would be read as metres
            axes.set_title(f"batch {batch}")
        for axes in panels:
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        legend_right(panels[-1])
        others = f"; dashed: eager PyTorch {machine.torch}; dotted: eager, all exits"
        notes = (
            f"{engine}{others if set(table.engine) & set(OTHER_WAYS) else ''}; "
            f"medians of {table.rounds.min()} interleaved rounds or more, bars: quartiles; "
            f"{machine.cpu}, {machine.threads} of {machine.cores} threads"
        )
        Face("Error against MACs and against measured time", notes).put_on(figure)
        save(figure, *pdf_and_png(path.with_suffix("")))


def _plot(axes: Axes, rows: pd.DataFrame, x: str) -> None:
    for (_, of_family, of_way), line in rows.groupby(["run", "family", "engine"], sort=False):
        family, way = str(of_family), str(of_way)
        spread = None
        if x == "milliseconds":
            low, high = line[x] - line.lower_quartile, line.upper_quartile - line[x]
            spread = [low.clip(lower=0), high.clip(lower=0)]
        axes.errorbar(
            line[x],
            line.error,
            xerr=spread,
            color=labelled(family).colour,
            marker=labelled(family).marker,
            markersize=4,
            linestyle=OTHER_WAYS.get(way, "-"),
            label=None if way in OTHER_WAYS else family,
        )
