"""Decode every image file once: integrity, checksum, pixel statistics."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm import tqdm

from anyslice.datasets.decoding import decode
from anyslice.datasets.manifest import INDEX, DataError, ImageFile, images_of, read_index

T = TypeVar("T")
R = TypeVar("R")

Statistics = dict[str, tuple[float, ...]]
"""Mean and standard deviation, "mean" and "std", of each channel, black 0 and white 1."""

_AT_ONCE = 4096
"""Results that wait for those before them."""


def parallel(function: Callable[[T], R], items: Sequence[T], what: str) -> Iterator[R]:
    """The results in the order of the items, without those that failed by a DataError.

    Threads do: decoders and hashes let others run. `what` names the progress bar.

    Raises:
        DataError: at the end if any failed, with the messages of all.
    """

    def attempt(item: T) -> R | DataError:
        try:
            return function(item)
        except DataError as error:
            return error

    failed: list[DataError] = []
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with (
        tqdm(desc=what, total=len(items), unit="image", mininterval=1, delay=2) as progress,
        ThreadPoolExecutor(allowed) as pool,
    ):
        for start in range(0, len(items), _AT_ONCE):
            for result in pool.map(attempt, items[start : start + _AT_ONCE]):
                if isinstance(result, DataError):
                    failed.append(result)
                else:
                    yield result
                progress.update()
    if failed:
        raise DataError("\n".join(map(str, failed)))


def scan(
    root: Path, files: Sequence[ImageFile], size: int, channels: int
) -> tuple[list[ImageFile], list[npt.NDArray[np.int64]]]:
    """Decode image files: the same with their checksums, and how often each value occurs in each.

    Values are counted, int64 (C, 256), after resizing to size x size: large images count no more
    than small ones.

    Raises:
        DataError: naming every file that is missing, cut short or no image.
    """

    def read(file: ImageFile) -> tuple[ImageFile, npt.NDArray[np.int64]]:
        image = decode(root / file.path, channels).resize((size, size), Image.Resampling.BILINEAR)
        values = count_values(np.array(image).reshape(-1, channels))
        return file._replace(sha256=_sha256(root / file.path)), values

    scanned = list(parallel(read, files, "reading"))
    return [file for file, _ in scanned], [values for _, values in scanned]


def _sha256(path: Path) -> str:
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

    def check(file: ImageFile) -> None:
        if _sha256(root / file.path) != file.sha256:
            raise DataError(f"{root / file.path} has changed since it was prepared")

    return len(list(parallel(check, read_index(folder / INDEX), "checksums")))
