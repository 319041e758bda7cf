"""Checksums of data sets: "sha256:digits" or, where nothing better is public, "md5:digits"."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

_CHUNK = 1 << 22


def file_checksums(path: Path, accepted: Iterable[str]) -> dict[str, str]:
    """SHA-256, and whatever other algorithm `accepted` uses, as "algorithm:digits"."""
    names = {"sha256"} | {checksum.partition(":")[0] for checksum in accepted}
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in sorted(names)}
    with (
        path.open("rb") as file,
        tqdm(
            desc=path.name, total=path.stat().st_size, unit="B", unit_scale=True, delay=5
        ) as progress,
    ):
        while chunk := file.read(_CHUNK):
            for running in hashes.values():
                running.update(chunk)
            progress.update(len(chunk))
    return {name: f"{name}:{running.hexdigest()}" for name, running in hashes.items()}
