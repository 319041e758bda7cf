"""What most figures consist of: means over seeds with their intervals, along MACs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, Formatter, LogLocator, NullFormatter

from anyslice.analysis.statistics import interval
from anyslice.config.figures import Style
from anyslice.figures.style import COLUMN, ERROR_LABEL, Face, print_style

Colour = tuple[float, float, float] | str
SHALLOW, THIN = "#c1272d", "black"
"""The paper's colours of Figure 3c."""


@dataclass(frozen=True)
class LegendEntry:
    """How the means of a run, role or level are plotted, and their legend.

    Attributes:
        label: in the legend; without one it has no entry there.
        colour: of line, markers and bars.
        marker: matplotlib's.
        line: matplotlib's; "none" for points without a line, which are larger.
    """

    label: str | None
    colour: Colour
    marker: str
    line: str = "-"

    def styled(self, style: Style) -> LegendEntry:
        """With what a figure chooses instead."""
        return replace(self, **{key: chosen for key, chosen in asdict(style).items() if chosen})


def plot_mean(axes: Axes, rows: pd.DataFrame, entry: LegendEntry, *, x: str, y: str) -> None:
    """The mean of column `y` over the seeds at each value of column `x`, with bars.

    There is a row for each seed and value of x.
    """
    by_x = rows.groupby(x)[y].agg(["mean", list])
    low, high = np.transpose([interval(values) for values in by_x["list"]])
    axes.errorbar(
        by_x.index,
        by_x["mean"],
        yerr=np.maximum(0, [by_x["mean"] - low, high - by_x["mean"]]),
        label=entry.label,
        color=entry.colour,
        marker=entry.marker,
        linestyle=entry.line,
        markersize=5.5 if entry.line == "none" else 4,
        markeredgecolor="white",
        markeredgewidth=0.4,
        linewidth=1.3,
        elinewidth=0.8,
        capsize=1.5,
    )


def draw_roles(
    table: pd.DataFrame, face: Face, entries: Mapping[str, LegendEntry], height: float, note: str
) -> Figure:
    """Error against cost of each role, over the seeds; a column wide and `height` inches high."""
    with print_style():
        figure, axes = plt.subplots(figsize=(COLUMN, height), layout="constrained")
        for role, entry in entries.items():
            rows = table[table.role == role]
            styled = entry.styled(face.style(rows.run.iloc[0]))
            plot_mean(axes, rows, styled, x=face.x, y="error")
        cost_axis(axes, face)
        legend_below(axes)
        face.put_on(figure, note)
    return figure


COSTS = {
    "macs": ("MACs", "MACs: multiply-adds of convolutions and linear layers"),
    "all_ops": (
        "operations",
        "operations: MACs, biases, BN, ReLU, additions and pooling, as the authors count",
    ),
    "params": ("parameters", "parameters: numbers that a sub-network stores"),
}
"""For each column of costs what the axis says, and what is meant."""


def cost_axis(axes: Axes, face: Face) -> None:
    """A cost along x, logarithmic; the error along y as the figure has it."""
    log_axis(axes, COSTS[face.x][0])
    axes.set_ylabel(ERROR_LABEL)
    if face.y_scale == "log":
        axes.set_yscale("log")
        _round_ticks(axes.yaxis, (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0), "{x:g}")


def log_axis(axes: Axes, label: str) -> None:
    """A logarithmic x axis whose ticks are round numbers."""
    axes.set_xscale("log")
    axes.set_xlabel(label)
    _round_ticks(axes.xaxis, (1.0, 1.5, 2.0, 3.0, 5.0, 7.0), EngFormatter(sep=" "))


def _round_ticks(axis: Axis, fine: Sequence[float], form: Formatter | str) -> None:
    """Ticks at 1, 2, 5, 10, ... of a logarithmic axis; at `fine` steps where its ends are close."""
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high > 8 * low else fine))
    axis.set_major_formatter(form)
    axis.set_minor_formatter(NullFormatter())


def count_axis(axes: Axes, count: int, label: str) -> None:
    """1 ... count along x; every number has its tick if there is room."""
    axes.set_xticks(range(1, count + 1, 1 if count <= 12 else 2))
    axes.set_xlabel(label)


def legend_below(axes: Axes, columns: int = 2) -> None:
    """The legend under the axes' label, outside the data."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=columns, frameon=False)


def legend_right(axes: Axes, *entries: Any) -> None:
    """The legend to the right of the axes, outside the data; `entries` are theirs by default."""
    axes.legend(*entries, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
