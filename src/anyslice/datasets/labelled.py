"""Images with labels, on their way from source files to a prepared data set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor

from anyslice.datasets.errors import DataError


class Images(NamedTuple):
    """Small images in memory.

    Attributes:
        images: uint8 (N, H, W, C).
        labels: int64 (N,).
    """

    images: Tensor
    labels: Tensor


class ImageFile(NamedTuple):
    """An image on disk.

    Attributes:
        part: "train" (the images for validation included) or "test".
        path: relative to the folder of images, with / between folders.
        label: its class.
    """

    part: str
    path: str
    label: int


def check_labels(labels: Iterable[int], classes: int, where: str) -> None:
    """Raise DataError unless all labels are of one of so many classes.

    Args:
        labels: of images, in the order of the file.
        classes: how many there are; labels count from 0.
        where: the file, for the message.
    """
    for index, label in enumerate(labels):
        if not 0 <= label < classes:
            raise DataError(
                f"{where}: image {index} has the label {label}, which is not one of 0 to "
                f"{classes - 1}"
            )
