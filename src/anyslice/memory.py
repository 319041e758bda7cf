"""Tune glibc's malloc for training on a CPU."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD = -1  # numbers of <malloc.h>
_M_MMAP_THRESHOLD = -3
_LARGEST = 2**30


def keep_freed_memory() -> bool:
    """Let glibc reuse freed blocks of up to 1 GiB instead of returning them to the kernel.

    Training on a CPU frees and allocates the same tensors in every step, and each page that comes
    back from the kernel costs a page fault. For the whole process and until its end; it changes
    no result.

    Returns:
        Whether it was done: False where the C library is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return all(mallopt(key, _LARGEST) == 1 for key in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD))
