"""WordNet 3.0's nouns through NLTK, read from a bare folder."""

from __future__ import annotations

import io
import lzma
import re
import warnings
from pathlib import Path

from nltk.corpus.reader.wordnet import Synset, WordNetCorpusReader, WordNetError
from nltk.data import PathPointer

from anyslice.taxonomy.errors import TaxonomyError

VERSION = "3.0"
"""Sense numbers differ between versions of WordNet; names of synsets here are those of 3.0."""

FILES = ("data.noun", "index.noun", "noun.exc")

# The lexicographer files in the order of their numbers, a fixed part of the format (lexnames(5WN)).
# WordNet's own packages leave the file out that lists them, and NLTK needs it.
# fmt: off
_LEXICOGRAPHER_FILES = (
    "adj.all", "adj.pert", "adv.all", "noun.Tops", "noun.act", "noun.animal", "noun.artifact",
    "noun.attribute", "noun.body", "noun.cognition", "noun.communication", "noun.event",
    "noun.feeling", "noun.food", "noun.group", "noun.location", "noun.motive", "noun.object",
    "noun.person", "noun.phenomenon", "noun.plant", "noun.possession", "noun.process",
    "noun.quantity", "noun.relation", "noun.shape", "noun.state", "noun.substance", "noun.time",
    "verb.body", "verb.change", "verb.cognition", "verb.communication", "verb.competition",
    "verb.consumption", "verb.contact", "verb.creation", "verb.emotion", "verb.motion",
    "verb.perception", "verb.possession", "verb.social", "verb.stative", "verb.weather", "adj.ppl",
)
# fmt: on


class _WordNetFiles(PathPointer):  # type: ignore[misc]
    """Files of a WordNet folder, plain or compressed by xz, as NLTK asks for them.

    NLTK itself opens only what lies below `nltk.data.path`, and wants every part of speech.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def join(self, fileid: str) -> _WordNetFiles:
        return _WordNetFiles(self._path / fileid)

    def open(self, encoding: str | None = None) -> io.StringIO:
        return io.StringIO(self._text())

    def file_size(self) -> int:
        return len(self._text())

    def _text(self) -> str:
        if self._path.name == "lexnames":
            lines = (f"{number:02} {name} 0" for number, name in enumerate(_LEXICOGRAPHER_FILES))
            return "\n".join(lines)
        if self._path.name not in FILES:
            return ""
        return _read(self._path)


class Nouns(WordNetCorpusReader):  # type: ignore[misc]
    """NLTK's WordNet reader, for nouns alone and without its other languages."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The multilingual functions")
            super().__init__(_WordNetFiles(folder), None)

    def open(self, file: str) -> io.StringIO:
        """One of the reader's files; see `_WordNetFiles`."""
        opened: io.StringIO = self._root.join(file).open()
        return opened

    def get_version(self) -> str:
        """The version that the noun file's licence names."""
        licence = self.open("data.noun").read(4000)
        found = re.search(r"WordNet (\d+\.\d+) Copyright", licence)
        return found.group(1) if found else "unknown"

    def map_wn(self, version: str = "wordnet") -> None:
        """No mapping to another version: NLTK needs one for other languages only."""


def open_wordnet(folder: Path) -> Nouns:
    """WordNet's nouns in a folder such as Debian's /usr/share/wordnet.

    Args:
        folder: holds data.noun, index.noun and noun.exc, as they are or compressed (.xz).

    Raises:
        TaxonomyError: if a file is missing, damaged, or of another version than 3.0.
    """
    try:
        nouns = Nouns(folder)
    except (WordNetError, StopIteration, UnicodeDecodeError) as error:
        raise TaxonomyError(f"{folder}: the WordNet files are damaged: {error}") from error
    if nouns.get_version() != VERSION:
        raise TaxonomyError(
            f"{folder / 'data.noun'} is of WordNet {nouns.get_version()}; {VERSION} is needed"
        )
    return nouns


def find_synset(nouns: Nouns, name: str) -> Synset:
    """The noun synset of a name such as "oriole.n.02".

    The synset's own name may be another one ("new_world_oriole.n.01"): compare synsets, not names.

    Raises:
        TaxonomyError: if it is no such name, or WordNet has no such sense.
    """
    if not re.fullmatch(r"\S+\.n\.(?!0+$)\d\d+", name):
        raise TaxonomyError(f"{name!r} is not the name of a noun synset such as 'oriole.n.02'")
    try:
        return nouns.synset(name)
    except WordNetError as error:
        raise TaxonomyError(f"WordNet {VERSION} has no {name!r}: {error}") from error


def path_from(root: Synset, synset: Synset) -> tuple[Synset, ...] | None:
    """The longest path down the hypernyms from `root` to `synset`, both included.

    Of equally long ones it is the path along the hypernym that WordNet names first, so that all
    paths from one root form a tree. None if `synset` is not below `root`.
    """
    if synset == root:
        return (root,)
    above = (path_from(root, hypernym) for hypernym in synset.hypernyms())
    longest = max((path for path in above if path), key=len, default=None)
    return (*longest, synset) if longest else None


def _read(path: Path) -> str:
    compressed = path.with_name(f"{path.name}.xz")
    if path.is_file():
        return path.read_text(encoding="ascii")
    if not compressed.is_file():
        raise TaxonomyError(
            f"{path} is missing (and so is {compressed.name}): name a folder with WordNet's "
            f"{', '.join(FILES)}, such as Debian's /usr/share/wordnet"
        )
    try:
        return lzma.decompress(compressed.read_bytes()).decode("ascii")
    except lzma.LZMAError as error:
        raise TaxonomyError(f"{compressed} is damaged: {error}") from error
