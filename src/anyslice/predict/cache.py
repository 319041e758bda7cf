"""The user's cache: what takes a while to make on this machine and can be made again."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from anyslice.files import write_atomically


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/anyslice`, or `~/.cache/anyslice`."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "anyslice"


def cached_path(kind: str, what: dict[str, Any], ending: str) -> Path:
    """The place of what exactly these facts determine."""
    text = json.dumps(what, sort_keys=True)
    return cache_folder() / kind / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}{ending}"


def read_cached(path: Path) -> bytes | None:
    """What is kept there, or None."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def keep_cached(path: Path, content: bytes) -> None:
    """Keep it if the cache can be written; it is made anew next time if not."""
    try:
        with write_atomically(path) as temporary:
            temporary.write_bytes(content)
    except OSError:
        return
