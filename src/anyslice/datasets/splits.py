"""Which training images are held out for validation."""

from __future__ import annotations

import hashlib
from pathlib import Path

from anyslice.errors import AnysliceError
from anyslice.files import read_json, write_json

NAME = "split.json"
"""The indices of the validation images among the training images, and the seed that drew them."""


def draw(images: int, held_out: int, seed: int, part: str = "validation") -> list[int]:
    """Indices of the validation images among `images` training images, in increasing order.

    The images are ranked by a hash of (seed, index), so the draw depends on no library's version.

    Args:
        images: how many there are.
        held_out: how many to draw.
        seed: of the description.
        part: for which they are held out; each part has a draw of its own.

    Raises:
        AnysliceError: if there are not more images than are to be held out.
    """
    if not 0 <= held_out < images:
        raise AnysliceError(f"cannot hold out {held_out} of {images} images")
    ranked = sorted(range(images), key=lambda index: _rank(part, seed, index))
    return sorted(ranked[:held_out])


def _rank(part: str, seed: int, index: int) -> bytes:
    return hashlib.sha256(f"{part} {seed} {index}".encode()).digest()


def write_split(folder: Path, seed: int, validation: list[int]) -> None:
    """Store the split of a prepared data set."""
    write_json(folder / NAME, {"seed": seed, "validation": validation})


def read_split(folder: Path) -> list[int]:
    """The indices of the validation images, in increasing order."""
    indices: list[int] = read_json(folder / NAME)["validation"]
    return indices
