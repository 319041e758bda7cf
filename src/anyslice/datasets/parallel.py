"""The same work on many files at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
R = TypeVar("R")

_AT_ONCE = 4096
"""Results that wait for those before them."""


def parallel(function: Callable[[T], R], items: Sequence[T], what: str) -> Iterator[R]:
    """The results in the order of the items; the first error ends it.

    Threads do: decoders and hashes let others run.

    Args:
        function: what to do with an item.
        items: any number of them.
        what: is done, for the progress bar.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with (
        tqdm(desc=what, total=len(items), unit="image", mininterval=1, delay=2) as progress,
        ThreadPoolExecutor(allowed) as pool,
    ):
        for start in range(0, len(items), _AT_ONCE):
            for result in pool.map(function, items[start : start + _AT_ONCE]):
                yield result
                progress.update()
