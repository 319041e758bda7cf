"""The user's cache: what takes a while to make on this machine and can be made again."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock

from anyslice.files import write_atomically
from anyslice.paths import user_cache

PACKAGE = Path(__file__).parent.parent
DIGEST = hashlib.sha256().digest_size
"""Bytes at the beginning of what is kept, the SHA-256 of all others."""
_MAKING = threading.RLock()
if hasattr(os, "register_at_fork"):  # a fork while another thread makes something waits for it
    os.register_at_fork(
        before=_MAKING.acquire, after_in_parent=_MAKING.release, after_in_child=_MAKING.release
    )


def cached_path(kind: str, what: dict[str, Any], ending: str) -> Path:
    """The place of what exactly these facts and our code determine."""
    text = json.dumps(what | {"code": code_of_prediction(PACKAGE)}, sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    return user_cache() / "anyslice" / kind / f"{key}{ending}"


@cache
def code_of_prediction(package: Path) -> str:
    """SHA-256 of the code of networks and prediction: other code may export another graph."""
    files = sorted(
        file for room in ("networks", "predict") for file in (package / room).glob("*.py")
    )
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def kept_or_made(path: Path, make: Callable[[], bytes]) -> bytes:
    """What is kept at a path; else what `make` gives, which then is kept.

    One thing at a time is made, by one of the processes that share a cache: PyTorch's exporter
    breaks where two threads export at once, and times measured side by side would be too long, for
    as long as they are kept.
    """
    with _MAKING, _no_other_process(path):
        kept = read_cached(path)
        if kept is None:
            kept = make()
            keep_cached(path, kept)
    return kept


@contextmanager
def _no_other_process(path: Path) -> Iterator[None]:
    """Hold what is kept at a path alone, if the cache can be written."""
    lock = FileLock(path.with_suffix(".lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except (OSError, NotImplementedError):  # a file system may have no locks
        pass
    try:
        yield
    finally:
        lock.release()


def read_cached(path: Path) -> bytes | None:
    """What is kept there; None if it is nothing, or not as it was written."""
    try:
        kept = path.read_bytes()
    except OSError:
        return None
    digest, content = kept[:DIGEST], kept[DIGEST:]
    return content if digest == hashlib.sha256(content).digest() else None


def keep_cached(path: Path, content: bytes) -> None:
    """Keep it if the cache can be written; else warn, for each process makes it anew then."""
    try:
        with write_atomically(path) as temporary:
            temporary.write_bytes(hashlib.sha256(content).digest() + content)
    except OSError as error:
        warnings.warn(
            f"exported models and times cannot be kept in {path.parent.parent} "
            f"({error.strerror}), so each process makes them anew, which takes up to a minute",
            stacklevel=2,
        )
