"""Label names as people say them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_SYNSET = re.compile(r"\.[nvasr]\.\d+$")


def spoken(name: str) -> str:
    """A label's name: "albatross" for WordNet's "albatross.n.02", spaces for underscores.

    A number in front, as in CUB's "001.Black_footed_Albatross", is left out.
    """
    return re.sub(r"^\d+\.", "", _SYNSET.sub("", name)).replace("_", " ")


def spoken_names(names: Sequence[str]) -> tuple[str, ...]:
    """All labels of a level; those that would be spoken alike keep their own names."""
    count = Counter(map(spoken, names))
    return tuple(name if count[spoken(name)] > 1 else spoken(name) for name in names)
