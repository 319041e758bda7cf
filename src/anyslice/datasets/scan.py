"""Reading every image file once: is it whole, what is its checksum, how bright is it."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from anyslice.datasets import index
from anyslice.datasets.decoding import decode
from anyslice.datasets.errors import DataError
from anyslice.datasets.labelled import ImageFile
from anyslice.datasets.manifest import images_of
from anyslice.datasets.parallel import parallel

Statistics = dict[str, tuple[float, ...]]
"""Mean and standard deviation, "mean" and "std", of each channel, black 0 and white 1."""


class Scanned(NamedTuple):
    """What is known of an image file that was read.

    Attributes:
        sha256: of the file.
        values: int64 (C, 256): how often each value occurs in the whole image, resized, so that
            large images count no more than small ones.
    """

    sha256: str
    values: npt.NDArray[np.int64]


def scan(root: Path, files: Sequence[ImageFile], size: int, channels: int) -> list[Scanned]:
    """Read and decode every image.

    Args:
        root: the folder of images.
        files: the images.
        size: to which images are resized to measure them.
        channels: 1 or 3.

    Raises:
        DataError: naming every file that is missing, cut short or no image.
    """

    def read(file: ImageFile) -> Scanned:
        path = root / file.path
        image = decode(path, channels).resize((size, size), Image.Resampling.BILINEAR)
        return Scanned(sha256(path), count_values(np.array(image).reshape(-1, channels)))

    return list(parallel(read, files, "reading"))


def sha256(path: Path) -> str:
    """The SHA-256 of an image file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise DataError(f"{path} is missing") from None


def count_values(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """How often each value occurs in each channel, (C, 256), of pixels (N, C)."""
    return np.stack([np.bincount(channel, minlength=256) for channel in pixels.T])


def statistics(values: Iterable[npt.NDArray[np.int64]]) -> Statistics:
    """Mean and standard deviation of each channel, to 4 decimals, from counts of values."""
    counts = sum(values, np.zeros((), np.int64))
    levels = np.arange(256) / 255
    pixels = counts.sum(-1)
    mean = counts @ levels / pixels
    std = np.sqrt(counts @ levels**2 / pixels - mean**2)
    return {
        "mean": tuple(round(m, 4) for m in mean.tolist()),
        "std": tuple(round(s, 4) for s in std.tolist()),
    }


def verify_images(folder: Path) -> int:
    """Compare every image file of a prepared data set with the checksum in its index.

    Returns:
        How many there are.

    Raises:
        DataError: naming every file that is missing or has changed.
    """
    root = images_of(folder)

    def check(row: dict[str, str]) -> None:
        if sha256(root / row["path"]) != row["sha256"]:
            raise DataError(f"{root / row['path']} has changed since it was prepared")

    with (folder / index.NAME).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return len(list(parallel(check, rows, "checksums")))
