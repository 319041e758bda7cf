"""taxonomy.json: a data set's tree and label levels, as training and figures read them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from anyslice.errors import AnysliceError
from anyslice.files import read_json, write_json
from anyslice.taxonomy.errors import TaxonomyError
from anyslice.taxonomy.levels import Level
from anyslice.taxonomy.tree import Tree


@dataclass(frozen=True)
class Taxonomy:
    """The label levels of a data set and where they come from.

    Attributes:
        dataset: its name.
        source: what the tree was extracted from.
        tree: all classes, and the nodes above them.
        matched: for each class how its place in the tree was found.
        levels: D levels of labels from fine to coarse; the first are the classes.
    """

    dataset: str
    source: str
    tree: Tree
    matched: dict[str, str]
    levels: tuple[Level, ...]


def write_taxonomy(taxonomy: Taxonomy, path: Path) -> None:
    """Write taxonomy.json, atomically."""
    tree = taxonomy.tree
    value = {
        "dataset": taxonomy.dataset,
        "source": taxonomy.source,
        "root": tree.root,
        "depth": tree.depth,
        "nodes": list(tree.nodes),
        "parents": tree.parents,
        "classes": [
            {"name": name, "path": list(tree.path(name)), "matched": taxonomy.matched[name]}
            for name in tree.classes
        ],
        "levels": [asdict(level) for level in taxonomy.levels],
    }
    write_json(path, value)


def read_taxonomy(path: Path) -> Taxonomy:
    """Read taxonomy.json and check its levels.

    Raises:
        TaxonomyError: if the file is no taxonomy, a label is out of range, or classes that share a
            label do not share every coarser one.
        FileNotFoundError: if there is no such file.
    """
    try:
        raw = read_json(path)
        taxonomy = Taxonomy(
            dataset=raw["dataset"],
            source=raw["source"],
            tree=Tree(raw["root"], raw["parents"], tuple(c["name"] for c in raw["classes"])),
            matched={c["name"]: c["matched"] for c in raw["classes"]},
            levels=tuple(
                Level(level["cut"], tuple(level["names"]), tuple(level["labels"]))
                for level in raw["levels"]
            ),
        )
    except (AnysliceError, KeyError, TypeError) as error:
        raise TaxonomyError(f"{path} is no taxonomy: {error!r}") from error
    problems = [f"{path}: {problem}" for problem in _contradictions(taxonomy)]
    if problems:
        raise TaxonomyError("\n".join(problems))
    return taxonomy


def _contradictions(taxonomy: Taxonomy) -> Iterator[str]:
    for number, level in enumerate(taxonomy.levels, start=1):
        if len(level.labels) != len(taxonomy.tree.classes):
            yield f"level {number} needs a label for each class"
        if set(level.labels) != set(range(len(level.names))):
            yield f"level {number} must use the labels 0 to {len(level.names) - 1}"
    for number, (fine, coarse) in enumerate(pairwise(taxonomy.levels), start=1):
        if len(set(zip(fine.labels, coarse.labels, strict=False))) != len(fine.names):
            yield f"classes of one label of level {number} differ at level {number + 1}"
