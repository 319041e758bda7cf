"""Readers of source files: of each format the images and labels, in the order of the files."""

from typing import NamedTuple

from torch import Tensor


class Images(NamedTuple):
    """Small images in memory, uint8 (N, H, W, C), with their labels, int64 (N,)."""

    images: Tensor
    labels: Tensor
