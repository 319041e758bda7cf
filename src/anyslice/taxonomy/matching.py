"""Where each class hangs in WordNet: by its name, a reviewed alias, or a file of parents."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from nltk.corpus.reader.wordnet import Synset

from anyslice.config.taxonomy import Rule, TaxonomyDescription
from anyslice.taxonomy.errors import TaxonomyError
from anyslice.taxonomy.wordnet import Nouns, find_synset, path_from


@dataclass(frozen=True)
class Match:
    """The synset that a class hangs below, and how it was found."""

    parent: Synset
    how: str


def match_by_name(
    nouns: Nouns, classes: Sequence[str], description: TaxonomyDescription
) -> dict[str, Match]:
    """Match class names to synsets below the description's root.

    An alias comes first; then the description's rules in their order; of several senses, the first
    one below the root.

    Returns:
        The matches. A class that is not in them could not be placed.

    Raises:
        TaxonomyError: if an alias names no class, no synset, or a synset that is not below the
            root.
    """
    root = find_synset(nouns, description.root)
    spellings = _Spellings(nouns)
    matches = _aliases(nouns, root, classes, description)
    for name in classes:
        if name not in matches:
            tries = (_RULES[rule](spellings, root, name) for rule in description.match)
            found = next(chain.from_iterable(tries), None)
            if found:
                matches[name] = found
    return matches


def match_by_file(
    nouns: Nouns, classes: Sequence[str], file: Path, root_name: str
) -> dict[str, Match]:
    """Match classes to the parent synsets that a file names.

    Args:
        classes: names in the order of the labels.
        file: a line per class: the parent synset's name, in class order; or the class, a tab, and
            the parent synset's name, in any order.
        root_name: the synset that all parents must be below, or be.

    Returns:
        The matches. A class that is not in them is missing from the file.

    Raises:
        TaxonomyError: naming file and line, if a line is malformed, or its class or synset unknown.
    """
    root = find_synset(nouns, root_name)
    try:
        lines = file.read_text(encoding="utf-8").rstrip().splitlines()
    except UnicodeDecodeError as error:
        raise TaxonomyError(f"{file} is no text in UTF-8: {error}") from error
    named = "\t" in lines[0] if lines else False
    if not named and len(lines) > len(classes):
        raise TaxonomyError(
            f"{file}, line {len(classes) + 1}: there are {len(classes)} classes and {len(lines)} "
            "lines; a line per class is needed"
        )
    matches: dict[str, Match] = {}
    for number, line in enumerate(lines, start=1):
        try:
            name, parent = _split(line, named, classes[min(number, len(classes)) - 1])
            if name not in classes:
                raise TaxonomyError(f"{name!r} is not a class of the data set")
            if name in matches:
                raise TaxonomyError(f"the class {name!r} is there twice")
            synset = _below(root, find_synset(nouns, parent), parent)
        except TaxonomyError as error:
            raise TaxonomyError(f"{file}, line {number}: {error}") from error
        matches[name] = Match(synset, f"parents file: {file.name}, line {number}")
    return matches


def _split(line: str, named: bool, name_in_order: str) -> tuple[str, str]:
    """The class and the parent's name on a line of a file of parents."""
    fields = line.split("\t")
    if len(fields) != (2 if named else 1) or not all(field.strip() for field in fields):
        form = "a class name, a tab and a synset's name" if named else "a synset's name alone"
        raise TaxonomyError(f"{form} is needed, as on the first line (found {line!r})")
    return (fields[0].strip() if named else name_in_order), fields[-1].strip()


def _below(root: Synset, synset: Synset, name: str) -> Synset:
    if path_from(root, synset) is None:
        raise TaxonomyError(f"{name!r} is not below the root {root.name()!r}")
    return synset


def _aliases(
    nouns: Nouns, root: Synset, classes: Sequence[str], description: TaxonomyDescription
) -> dict[str, Match]:
    matches: dict[str, Match] = {}
    for alias in description.aliases:
        for name in alias.classes:
            if name not in classes or name in matches:
                what = "has two aliases" if name in matches else "is not a class of the data set"
                raise TaxonomyError(f"{description.path}, aliases: {name!r} {what}")
            try:
                synset = _below(root, find_synset(nouns, alias.below), alias.below)
            except TaxonomyError as error:
                raise TaxonomyError(f"{description.path}, aliases: {error}") from error
            matches[name] = Match(synset, f"alias: {alias.reason}")
    return matches


class _Spellings:
    """WordNet's nouns by a key that is the same for all ways to write a name.

    "Frigatebird" finds "frigate_bird", and "Chuck_will_Widow" finds "chuck-will's-widow".
    """

    def __init__(self, nouns: Nouns) -> None:
        self._nouns = nouns
        self._lemmas: dict[str, list[str]] = {}
        for lemma in nouns.all_lemma_names(pos="n"):
            self._lemmas.setdefault(self._key(lemma), []).append(lemma)

    def senses(self, name: str, root: Synset) -> Iterator[Synset]:
        """Senses of a name below `root`, in WordNet's order; of the exact spelling first."""
        exact = name.lower().replace(" ", "_")
        for lemma in sorted(self._lemmas.get(self._key(name), []), key=lambda each: each != exact):
            yield from (synset for synset in self.anywhere(lemma) if path_from(root, synset))

    def anywhere(self, name: str) -> list[Synset]:
        """Senses of a name in all of WordNet."""
        synsets: list[Synset] = self._nouns.synsets(name, "n", check_exceptions=False)
        return synsets

    @staticmethod
    def _key(name: str) -> str:
        return re.sub(r"'s\b|[^a-z0-9]", "", name.lower())


def _by_head_noun(spellings: _Spellings, root: Synset, name: str) -> Iterator[Match]:
    """Below the synset of the name's last word: Sooty_Albatross below albatross."""
    noun = re.split(r"[ _]", name)[-1]
    for synset in spellings.senses(noun, root):
        yield Match(synset, f"head noun: {noun}")


def _by_full_name(spellings: _Spellings, root: Synset, name: str) -> Iterator[Match]:
    """The class is the synset of its name (of a part of "T-shirt/top"): beside it, not below."""
    for part in name.split("/"):
        for synset in spellings.senses(part, root):
            path = path_from(root, synset)
            if path and len(path) > 1:
                yield Match(path[-2], f"full name: {synset.name()}")


def _by_genus(spellings: _Spellings, root: Synset, name: str) -> Iterator[Match]:
    """Below the member that WordNet gives for a genus: Geococcyx below roadrunner."""
    for genus in spellings.anywhere(name):
        for member in genus.member_meronyms():
            if path_from(root, member):
                yield Match(member, f"genus: {genus.name()}")


_RULES: dict[Rule, Callable[[_Spellings, Synset, str], Iterator[Match]]] = {
    "head noun": _by_head_noun,
    "full name": _by_full_name,
    "genus": _by_genus,
}
