"""Files that are either whole or not there, their checksums, and readable errors of writing."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anyslice.errors import AnysliceError


def sha256(path: Path) -> str:
    """The file's SHA-256 as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; move it there, durably, when the block succeeds.

    When the block fails nothing is left: neither half a file nor the temporary one. Everyone may
    read the file, whatever the library that wrote it thinks: results are shared.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        temporary.chmod(0o644)
        _flush(temporary)
        temporary.replace(path)
        _flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Make what was written to a file or folder survive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write text atomically."""
    with write_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically, with a final newline."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """The value in a JSON file.

    Raises:
        AnysliceError: if it holds no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise AnysliceError(f"{path} is damaged, it holds no JSON ({error}): remove it") from error


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
                f"the disk is full: cannot write {where} ({error.strerror}). What was "
                "finished is kept: free some space and start the same command again."
            ) from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise OSError(
                f"cannot write {where} ({error.strerror}). What was finished is kept: make the "
                "folder writable, or choose another, and start the command again."
            ) from error
        raise


def remove_half_written(folder: Path) -> None:
    """Remove what `write_atomically` had not finished in a folder when its process was killed."""
    for path in folder.glob(".*.part"):
        path.unlink()
