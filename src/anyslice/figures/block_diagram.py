"""Figures 1 and 2: a block of I-ResNeXt and of IS-ResNeXt, whole and sliced.

Every line is a dependency that autograd finds in the block of `network.subnetwork(k)`. What the
full network has and a sub-network has not is drawn in grey.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch

from anyslice.config.families import FAMILIES
from anyslice.figures.connectivity import Connectivity, Edge, connectivity
from anyslice.figures.style import PAGE, caption, print_style
from anyslice.networks import build
from anyslice.networks.is_resnext import SparseBlock
from anyslice.networks.resnext import Block

C, K = 9, 3
"""Those of the paper's figures; the other hyper-parameters do not show."""
WIDTH = 2 * K

HEIGHTS = {"x": 3.2, "a": 1.8, "b": 1.0, "y": 0.0}
BOX = 0.36
"""Height of a box; branches are 1 apart."""
GAP = 0.13
"""Half the room between two branches."""
GUTTER = 0.7
"""Room to the left of the branches of a sub-feature, where the identity passes."""
KERNELS = {
    1: ("black", "1 \N{MULTIPLICATION SIGN} 1 convolution"),
    3: ("tab:red", "3 \N{MULTIPLICATION SIGN} 3 convolution"),
}
ABSENT = "0.8"


@dataclass(frozen=True)
class Box:
    """Where a group is drawn: its left and right end, and where the lines to branches begin."""

    left: float
    right: float
    lines_from: float

    def port(self, number: int, count: int) -> float:
        """Where line `number` of `count` lines leaves the box."""
        return self.lines_from + (self.right - self.lines_from) * (number + 0.5) / count


Places = dict[str, list[Box]]


def draw(family: str) -> Figure:
    """Draw the figure of a family: "i-resnext" (Figure 1) or "is-resnext" (Figure 2)."""
    blocks = {k: block_of(family, k) for k in range(1, K + 1)}
    with print_style():
        figure, panels = plt.subplot_mosaic(
            [["a", "b", "c"], ["key"] * K],
            figsize=(PAGE, 2.3),
            height_ratios=(10, 1),
            layout="constrained",
        )
        for letter, k in zip("abc", range(K, 0, -1), strict=True):
            kind = "full network" if k == K else "sub-network"
            _draw_block(panels[letter], blocks[k], blocks[K])
            panels[letter].set_title(f"({letter}) {kind}, $k = {k}$", fontsize=8)
        panels["key"].legend(handles=_legend(), loc="center", ncols=4, frameon=False, fontsize=7)
        panels["key"].axis("off")
        caption(
            figure,
            f"{FAMILIES[family].label}, C = {C}, K = {K}; every line is a dependency that "
            "automatic differentiation finds in the module",
        )
    return figure


def block_of(family: str, k: int) -> Connectivity:
    """What depends on what in the first block of sub-network k, for C = 9 and K = 3."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build(family, L=3, W=WIDTH, B=2, C=C, K=K, classes=2, image_size=8).eval()
        modules = network.subnetwork(k).modules()
        block = next(module for module in modules if isinstance(module, Block | SparseBlock))
        if isinstance(block, SparseBlock):
            return connectivity(block, width=block.norm1.num_features)
        return connectivity(partial(block, k=1), width=WIDTH)


def _places(whole: Connectivity) -> Places:
    """Where each group is drawn: branches side by side, x and y above and below theirs."""
    features = len(whole.groups["y"])
    branches = len(whole.groups["a"]) // features
    places: Places = {row: [] for row in HEIGHTS}
    for feature in range(features):
        left = feature * (branches + GUTTER + GAP)
        begin = left + GUTTER - GAP
        for row in "xy":
            places[row].append(Box(left, begin + branches, begin))
        for branch in range(branches):
            edge = begin + branch
            for row in "ab":
                places[row].append(Box(edge + GAP, edge + 1 - GAP, edge + GAP))
    return places


def _draw_block(axes: Axes, block: Connectivity, whole: Connectivity) -> None:
    places = _places(whole)
    for row, boxes in places.items():
        for i, box in enumerate(boxes, start=1):
            label = f"${row}_{i}$" if len(boxes) > 1 else f"${row}$"
            _draw_box(axes, box, HEIGHTS[row], label, present=i <= len(block.groups[row]))
    for edge in sorted(whole.edges | block.edges):
        _draw_edge(axes, edge, whole, places, present=edge in block.edges)
    axes.set_xlim(-0.2, places["x"][-1].right + 0.2)
    axes.set_ylim(-BOX / 2 - 0.1, HEIGHTS["x"] + BOX / 2 + 0.1)
    axes.axis("off")


def _draw_box(axes: Axes, box: Box, height: float, label: str, present: bool) -> None:
    colour = "black" if present else ABSENT
    axes.add_patch(
        FancyBboxPatch(
            (box.left, height - BOX / 2),
            box.right - box.left,
            BOX,
            boxstyle="round,pad=0,rounding_size=0.1",
            facecolor="0.96" if present else "white",
            edgecolor=colour,
            linewidth=0.7,
            zorder=3,
        )
    )
    middle = (box.left + box.right) / 2
    axes.text(middle, height, label, ha="center", va="center", fontsize=6.5, color=colour, zorder=4)


def _draw_edge(
    axes: Axes, edge: Edge, whole: Connectivity, places: Places, *, present: bool
) -> None:
    upper, lower = edge.rows[0], edge.rows[1]
    source, target = places[upper][edge.source - 1], places[lower][edge.target - 1]
    if edge.rows == "xy":
        ends = (source.left + GUTTER / 4, target.left + GUTTER / 4)
    else:
        out, into = whole.targets(edge), whole.sources(edge)
        ends = (
            source.port(out.index(edge.target), len(out)),
            target.port(into.index(edge.source), len(into)),
        )
    axes.plot(
        ends,
        [HEIGHTS[upper] - BOX / 2, HEIGHTS[lower] + BOX / 2],
        linestyle="--" if edge.rows == "xy" else "-",
        color=KERNELS[edge.kernel][0] if present else ABSENT,
        linewidth=0.7 if edge.kernel == 1 else 1.1,
        zorder=2 if present else 1,
    )


def _legend() -> list[Line2D]:
    lines = [Line2D([], [], color=colour, label=label) for colour, label in KERNELS.values()]
    identity = Line2D([], [], color="black", linestyle="--", label="identity")
    return [*lines, identity, Line2D([], [], color=ABSENT, label="left out")]
