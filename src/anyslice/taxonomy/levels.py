"""Label levels from a tree: cuts at fixed depths (Section 3.3, Appendix A)."""

from __future__ import annotations

from dataclasses import dataclass

from anyslice.taxonomy.errors import TaxonomyError
from anyslice.taxonomy.tree import Tree

LEAST_REDUCTION = 0.02
"""A cut that leaves out a smaller share of the labels makes no level of its own."""


@dataclass(frozen=True)
class Level:
    """One level of labels.

    Attributes:
        cut: its depth below the root, in edges.
        names: of the labels: nodes of the tree.
        labels: for each class the index of its label in `names`.
    """

    cut: int
    names: tuple[str, ...]
    labels: tuple[int, ...]


def cut_tree(tree: Tree, depth: int) -> Level:
    """The labels that a cut at a depth below the root gives.

    A class below the cut takes its ancestor at that depth; one above it keeps its own label.
    Labels are numbered in the order in which the classes first take them.
    """
    ancestors = [path[min(depth, len(path) - 1)] for path in map(tree.path, tree.classes)]
    names = tuple(dict.fromkeys(ancestors))
    index = {name: number for number, name in enumerate(names)}
    return Level(depth, names, tuple(index[ancestor] for ancestor in ancestors))


def choose_levels(tree: Tree, count: int) -> tuple[Level, ...]:
    """D levels (`count`) from fine to coarse, the classes themselves first.

    Cuts go up from the deepest class, one depth at a time. A cut is passed over if it leaves out
    less than LEAST_REDUCTION of the labels of the level before.

    Raises:
        TaxonomyError: if the tree gives fewer levels of at least two labels.
    """
    levels = [cut_tree(tree, tree.depth - 1)]
    for depth in range(tree.depth - 2, 0, -1):
        level = cut_tree(tree, depth)
        if len(level.names) <= (1 - LEAST_REDUCTION) * len(levels[-1].names):
            levels.append(level)
    usable = tuple(level for level in levels if len(level.names) > 1)
    if len(usable) < count:
        sizes = "/".join(str(len(level.names)) for level in usable)
        raise TaxonomyError(
            f"{count} levels are asked for, but the tree gives {len(usable)}: {sizes} labels"
        )
    return usable[:count]
