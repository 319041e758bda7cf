"""The same work on many files at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tqdm import tqdm

from anyslice.datasets.errors import DataError

T = TypeVar("T")
R = TypeVar("R")

_AT_ONCE = 4096
"""Results that wait for those before them."""


def parallel(function: Callable[[T], R], items: Sequence[T], what: str) -> Iterator[R]:
    """The results in the order of the items, without those that failed by a DataError.

    Threads do: decoders and hashes let others run.

    Args:
        function: what to do with an item.
        items: any number of them.
        what: is done, for the progress bar.

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
