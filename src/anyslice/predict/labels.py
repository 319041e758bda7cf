"""Label names as people say them."""

from __future__ import annotations

import re

_SYNSET = re.compile(r"\.[nvasr]\.\d+$")


def spoken(name: str) -> str:
    """A label's name: "albatross" for WordNet's "albatross.n.02", spaces for underscores.

    A number in front, as in CUB's "001.Black_footed_Albatross", is left out.
    """
    return re.sub(r"^\d+\.", "", _SYNSET.sub("", name)).replace("_", " ")
