"""Readable errors for failed writes; clean-up after killed ones. Imports no torch."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def clear_write_errors(folder: Path) -> Iterator[None]:
    """Say where a write failed and what to do, for full disks and read-only folders.

    Args:
        folder: where the block writes, for errors that do not name a file.
    """
    try:
        yield
    except OSError as error:
        where = error.filename or folder
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OSError(
                f"the disk is full: cannot write {where} ({error.strerror}). Checkpoints written "
                "before are kept: free some space and start the same command again."
            ) from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise OSError(
                f"cannot write {where} ({error.strerror}). Checkpoints written before are kept: "
                "make the folder writable, or choose another, and start the command again."
            ) from error
        raise


def remove_half_written(folder: Path) -> None:
    """Remove what `write_atomically` had not finished in a folder when its process was killed."""
    for path in folder.glob(".*.part"):
        path.unlink()
