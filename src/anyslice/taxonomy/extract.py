"""From class names to a taxonomy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from anyslice.config.taxonomy import TaxonomyDescription
from anyslice.taxonomy.errors import TaxonomyError
from anyslice.taxonomy.levels import choose_levels, cut_tree
from anyslice.taxonomy.matching import match_by_file, match_by_name
from anyslice.taxonomy.record import Taxonomy
from anyslice.taxonomy.tree import grow, prune
from anyslice.taxonomy.wordnet import VERSION, find_synset, open_wordnet, path_from


def from_wordnet(
    dataset: str,
    classes: Sequence[str],
    description: TaxonomyDescription,
    wordnet: Path,
    parents: Path | None = None,
) -> Taxonomy:
    """Draw a taxonomy from WordNet.

    Args:
        classes: names in the order of the labels.
        wordnet: folder with WordNet's noun files.
        parents: a file that names each class's parent synset; without it, classes are matched by
            name.

    Raises:
        TaxonomyError: if a class could not be placed: it is never hung on the root instead; if
            WordNet, an alias, or a line of the file is wrong; or the tree gives too few levels.
    """
    nouns = open_wordnet(wordnet)
    if parents is None:
        matches = match_by_name(nouns, classes, description)
        remedy = f"add aliases to {description.path}"
    else:
        matches = match_by_file(nouns, classes, parents, description.root)
        remedy = f"add lines to {parents}"
    unplaced = [name for name in classes if name not in matches]
    if unplaced:
        raise TaxonomyError(
            f"{dataset}: {len(matches)} of {len(classes)} classes matched; {remedy} for:"
            + "".join(f"\n  {name}" for name in unplaced)
        )
    root = find_synset(nouns, description.root)
    paths = {
        name: [node.name() for node in path_from(root, matches[name].parent) or ()]
        for name in classes
    }
    tree = prune(grow(paths)) if description.prune else grow(paths)
    return Taxonomy(
        dataset=dataset,
        source=f"WordNet {VERSION}",
        tree=tree,
        matched={name: matches[name].how for name in classes},
        levels=choose_levels(tree, description.levels),
    )


def from_given_levels(
    dataset: str, classes: Sequence[str], levels: Sequence[Mapping[str, Sequence[str]]]
) -> Taxonomy:
    """The taxonomy of a data set that has coarse labels of its own, such as CIFAR-100.

    Args:
        dataset: its name, also the root's.
        classes: names in the order of the labels.
        levels: from fine to coarse; each maps a coarse label to its classes. A label that occurs
            at several levels is told apart by its level.

    Raises:
        TaxonomyError: if the levels are not nested.
    """
    taken = Counter([dataset, *classes, *(label for level in levels for label in level)])
    own = [
        {
            name: label if taken[label] == 1 else f"{label} (level {number})"
            for label, names in level.items()
            for name in names
        }
        for number, level in enumerate(levels, start=2)
    ]
    paths = {name: [dataset, *(labels[name] for labels in reversed(own))] for name in classes}
    tree = grow(paths)
    return Taxonomy(
        dataset=dataset,
        source="the data set's own coarse labels",
        tree=tree,
        matched={name: f"coarse label: {own[0][name]}" for name in classes},
        levels=tuple(cut_tree(tree, depth) for depth in range(len(levels) + 1, 0, -1)),
    )
