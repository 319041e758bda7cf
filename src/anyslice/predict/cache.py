"""The user's cache: what takes a while to make on this machine and can be made again."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from anyslice.files import write_atomically
from anyslice.paths import user_cache

PACKAGE = Path(__file__).parent.parent
DIGEST = hashlib.sha256().digest_size
"""Bytes at the beginning of what is kept, the SHA-256 of all others."""


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


def read_cached(path: Path) -> bytes | None:
    """What is kept there; None if it is nothing, or not as it was written."""
    try:
        kept = path.read_bytes()
    except OSError:
        return None
    digest, content = kept[:DIGEST], kept[DIGEST:]
    return content if digest == hashlib.sha256(content).digest() else None


def keep_cached(path: Path, content: bytes) -> None:
    """Keep it if the cache can be written; it is made anew next time if not."""
    try:
        with write_atomically(path) as temporary:
            temporary.write_bytes(hashlib.sha256(content).digest() + content)
    except OSError:
        return
