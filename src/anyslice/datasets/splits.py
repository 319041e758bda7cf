"""Which training images are held out for validation."""

from __future__ import annotations

import hashlib


def draw_validation(images: int, held_out: int, seed: int) -> list[int]:
    """Indices of the validation images among `images` training images, in increasing order.

    The images are ranked by a hash of (seed, index), so the draw depends on no library's version.

    Raises:
        ValueError: if there are not more images than are to be held out.
    """
    if not 0 <= held_out < images:
        raise ValueError(f"cannot hold out {held_out} of {images} images")
    ranked = sorted(range(images), key=lambda index: _rank(seed, index))
    return sorted(ranked[:held_out])


def _rank(seed: int, index: int) -> bytes:
    return hashlib.sha256(f"validation {seed} {index}".encode()).digest()
