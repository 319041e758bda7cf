"""A taxonomy as a tree from left to right, with a coloured square for every label of a level."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D

from anyslice.figures.style import LEVEL_COLOURS, pdf_and_png, print_style, save
from anyslice.taxonomy.labels import spoken
from anyslice.taxonomy.record import Taxonomy
from anyslice.taxonomy.tree import Tree

ROW = 0.145
"""Height in inches of a class's row."""
INDENT = 1.2
"""Width in inches between a node and its children."""
SQUARE = 0.075
"""Width in inches from one square to the next."""
NAMES = 1.5
"""Width in inches kept for squares and names of the deepest classes."""
HEAD = 0.55
FOOT = 0.3
"""Heights in inches of title with legend, and of the note at the bottom."""

FONT_SIZE = 6.5
EDGE = "0.65"


@dataclass(frozen=True)
class Position:
    """Where a node is drawn, in inches: from the root's column, and from the first class's row."""

    x: float
    y: float


def draw(taxonomy: Taxonomy, *, title: str, stem: Path) -> None:
    """Draw a taxonomy.

    Each class has a row. A node has a coloured square for each level of which it is a label, so
    there are as many squares of a colour as the level has labels.

    Args:
        taxonomy: with at most as many levels as there are LEVEL_COLOURS.
        stem: output path without its ending; .pdf and .png are written.
    """
    tree = taxonomy.tree
    width = INDENT * tree.depth + NAMES
    tree_height = ROW * len(tree.classes)
    height = HEAD + tree_height + FOOT
    with print_style():
        figure = plt.figure(figsize=(width, height))
        axes = figure.add_axes((0, FOOT / height, 1, tree_height / height))
        axes.set(xlim=(-INDENT, width - INDENT), ylim=(tree_height - ROW / 2, -ROW / 2))
        axes.axis("off")
        positions = place(tree)
        _draw_edges(axes, tree, positions)
        _draw_names(axes, taxonomy, positions)
        _draw_squares(axes, taxonomy, positions)
        figure.text(0.5, 1 - 0.2 / height, title, fontsize=9, ha="center", va="center")
        _draw_legend(axes, taxonomy)
        note = f"{taxonomy.source}; a square for each level of which a node is a label"
        figure.text(0.5, 0.15 / height, note, fontsize=6, color="0.35", ha="center", va="center")
        save(figure, *pdf_and_png(stem))


def place(tree: Tree) -> dict[str, Position]:
    """Rows for the classes, node by node; every other node in the middle of its children."""
    positions: dict[str, Position] = {}
    children = _children(tree)
    rows = iter(range(len(tree.classes)))

    def visit(node: str, depth: int) -> float:
        below = [visit(child, depth + 1) for child in children.get(node, [])]
        y = (below[0] + below[-1]) / 2 if below else ROW * next(rows)
        positions[node] = Position(INDENT * depth, y)
        return y

    visit(tree.root, 0)
    return positions


def _children(tree: Tree) -> dict[str, list[str]]:
    """Each node's children; classes before other nodes."""
    classes = set(tree.classes)
    children: dict[str, list[str]] = {}
    for node in sorted(tree.parents, key=lambda node: node not in classes):
        children.setdefault(tree.parents[node], []).append(node)
    return children


def _draw_edges(axes: Axes, tree: Tree, positions: dict[str, Position]) -> None:
    lines = []
    for node, parent in tree.parents.items():
        start, end = positions[parent], positions[node]
        lines.append([(start.x, start.y), (start.x, end.y), (end.x, end.y)])
    axes.add_collection(LineCollection(lines, colors=EDGE, linewidths=0.6, zorder=1))


def _draw_names(axes: Axes, taxonomy: Taxonomy, positions: dict[str, Position]) -> None:
    """A class's name stands behind its squares, another node's on the edge that leads to it."""
    levels_of = Counter(name for level in taxonomy.levels for name in level.names)
    for name in taxonomy.tree.classes:
        at = positions[name]
        x = at.x + SQUARE * (levels_of[name] + 0.5)
        axes.text(x, at.y, spoken(name), fontsize=FONT_SIZE, va="center_baseline")
    for node in taxonomy.tree.non_leaves:
        at = positions[node]
        text = axes.text(at.x - SQUARE, at.y, spoken(node), fontsize=FONT_SIZE)
        text.set(ha="right", va="center_baseline", fontstyle="italic")
        text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.8})


def _draw_squares(axes: Axes, taxonomy: Taxonomy, positions: dict[str, Position]) -> None:
    """A class's squares stand in a row at the end of its edge, another node's at the node."""
    classes = set(taxonomy.tree.classes)
    for number, level in enumerate(taxonomy.levels):
        shift = SQUARE * (number + 0.5)
        x = [positions[node].x + (shift if node in classes else 0.0) for node in level.names]
        y = [positions[node].y for node in level.names]
        axes.scatter(x, y, s=16, marker="s", color=LEVEL_COLOURS[number], linewidths=0, zorder=4)


def _draw_legend(axes: Axes, taxonomy: Taxonomy) -> None:
    labels = (f"level {d}: {len(v.names)} labels" for d, v in enumerate(taxonomy.levels, start=1))
    handles = [
        Line2D([], [], marker="s", linestyle="none", color=colour, label=label)
        for colour, label in zip(LEVEL_COLOURS, labels, strict=False)
    ]
    axes.legend(
        handles=handles,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=len(handles),
        frameon=False,
        fontsize=FONT_SIZE,
        handletextpad=0.1,
        columnspacing=1.0,
    )
