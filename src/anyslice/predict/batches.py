"""Many images are taken in several calls of the network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from anyslice.predict.engine import LevelLogits

LARGEST_BATCH = 64
"""Images of one call."""


def in_batches(inputs: Tensor) -> list[Tensor]:
    """The images of each call."""
    if len(inputs) <= LARGEST_BATCH:
        return [inputs]
    return [inputs[i : i + LARGEST_BATCH] for i in range(0, len(inputs), LARGEST_BATCH)]


def joined(batches: Sequence[LevelLogits]) -> LevelLogits:
    """The logits of all images."""
    if len(batches) == 1:
        return batches[0]
    return tuple(np.concatenate(of_level) for of_level in zip(*batches, strict=True))


def measured_batch(images: int) -> int:
    """The next power of two, up to LARGEST_BATCH: times are measured for these only."""
    return min(LARGEST_BATCH, 1 << (images - 1).bit_length())
