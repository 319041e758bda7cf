"""The tree of a taxonomy: classes as leaves, what they have in common above them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from anyslice.taxonomy.errors import TaxonomyError


@dataclass(frozen=True)
class Tree:
    """A rooted tree whose leaves are the classes.

    Attributes:
        root: the node that has no parent.
        parents: the parent of every other node.
        classes: the leaves, in the order of the labels.
    """

    root: str
    parents: dict[str, str]
    classes: tuple[str, ...]

    def path(self, node: str) -> tuple[str, ...]:
        """The nodes from the root to a node, both included."""
        reverse = [node]
        while reverse[-1] != self.root:
            reverse.append(self.parents[reverse[-1]])
        return tuple(reversed(reverse))

    @property
    def nodes(self) -> tuple[str, ...]:
        """All nodes, the root first."""
        return (self.root, *self.parents)

    @property
    def non_leaves(self) -> tuple[str, ...]:
        """The nodes that are no classes: the coarse labels that the taxonomy can give."""
        classes = set(self.classes)
        return tuple(node for node in self.nodes if node not in classes)

    @property
    def depth(self) -> int:
        """Nodes on the longest path, root and class included."""
        return max(len(self.path(name)) for name in self.classes)


def grow(paths: Mapping[str, Sequence[str]]) -> Tree:
    """Join paths into a tree.

    Args:
        paths: for each class the nodes above it, from the root on.

    Raises:
        TaxonomyError: if the paths do not form a tree whose leaves are the classes.
    """
    roots = {path[0] for path in paths.values()}
    if len(roots) != 1:
        raise TaxonomyError(f"the paths of the classes must have one root (found {sorted(roots)})")
    parents: dict[str, str] = {}
    for name, path in paths.items():
        if name in parents or any(name in other for other in paths.values()):
            raise TaxonomyError(f"the class {name!r} has the name of a node above a class")
        for parent, child in pairwise((*path, name)):
            if parents.setdefault(child, parent) != parent:
                raise TaxonomyError(f"{child!r} is below both {parents[child]!r} and {parent!r}")
    return Tree(roots.pop(), parents, tuple(paths))


def prune(tree: Tree) -> Tree:
    """The tree without nodes that have a single child; its classes stay."""
    children = Counter(tree.parents.values())
    kept = {
        name: [node for node in tree.path(name)[:-1] if children[node] > 1] for name in tree.classes
    }
    return grow(kept)
