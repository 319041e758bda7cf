"""How a data set's taxonomy is drawn from WordNet: params/taxonomy/<dataset>.yaml, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic.dataclasses import dataclass

from anyslice.config.checked_yaml import STRICT, Positive, load_file

FOLDER = Path("params/taxonomy")
"""Where the descriptions are, seen from the top of the repository."""

Rule = Literal["head noun", "full name", "genus"]


@dataclass(frozen=True, config=STRICT)
class Alias:
    """Classes that hang below a synset which their names do not lead to, and why."""

    classes: tuple[str, ...]
    below: str
    reason: str


@dataclass(frozen=True, config=STRICT)
class Difference:
    """What WordNet says of these synsets and zoology denies, and why it is left so."""

    synsets: tuple[str, ...]
    reason: str


@dataclass(frozen=True, config=STRICT)
class ParentsTable:
    """A published table of parents: a line per class, in class order.

    Its checksum is "sha256:" and the digits.
    """

    address: str
    checksum: str


@dataclass(frozen=True, config=STRICT)
class TaxonomyDescription:
    """How class names become label levels.

    Attributes:
        root: the synset that all classes are below.
        levels: D, the number of label levels.
        prune: leave out nodes with a single child.
        match: rules that place a class by its name, in the order in which they are tried.
        aliases: reviewed places, before any rule.
        differences: reviewed and left as WordNet has it.
        parents: the paper's own table, in place of names and aliases at the paper scale.
        name: the file's name without its ending.
        path: the file it was read from.
    """

    root: str
    levels: Positive
    prune: bool
    match: tuple[Rule, ...]
    name: str
    path: str
    aliases: tuple[Alias, ...] = ()
    differences: tuple[Difference, ...] = ()
    parents: ParentsTable | None = None


def load_taxonomy_description(dataset: str) -> TaxonomyDescription:
    """Read and check the description of a data set's taxonomy.

    Raises:
        ParameterError: if the file is missing or says something that cannot be.
    """
    path, what = FOLDER / f"{dataset}.yaml", f"taxonomy for {dataset!r}"
    return load_file(TaxonomyDescription, path, what, FOLDER.glob("*.yaml"))
