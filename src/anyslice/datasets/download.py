"""Downloads that resume where they stopped and are verified before they get their name."""

from __future__ import annotations

from pathlib import Path

import requests
from filelock import FileLock
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from anyslice.datasets.checksums import file_checksums
from anyslice.datasets.errors import DataError

_CHUNK = 1 << 16
_TIMEOUT = (10, 60)
"""Seconds to connect, and between two pieces of the answer."""

_RETRIES = Retry(total=4, backoff_factor=1, status_forcelist=(429, 500, 502, 503, 504))


def download(address: str, path: Path, checksums: tuple[str, ...]) -> None:
    """Download a file, or the rest of it if an earlier download was interrupted.

    What has arrived lies in <path>.part until all of it is there and its checksum is right.

    Args:
        address: of the file.
        path: where it is to be.
        checksums: "algorithm:digits", of which one must match.

    Raises:
        DataError: if the connection fails (what has arrived is kept) or the checksum is wrong
            (nothing is kept).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with FileLock(path.with_name(path.name + ".lock")):
        if path.is_file():
            return
        try:
            _receive(address, part)
        except (requests.RequestException, HTTPError) as error:
            arrived = part.stat().st_size if part.exists() else 0
            kept = f"{arrived} bytes have arrived; the same command continues from there."
            raise DataError(
                f"{address} could not be downloaded: {error}.{' ' + kept if arrived else ''}"
            ) from error
        if not set(file_checksums(part, checksums).values()) & set(checksums):
            part.unlink()
            raise DataError(
                f"{address} is not what it should be: its checksum is none of "
                f"{', '.join(checksums)}. It was deleted; try again."
            )
        part.replace(path)


def _receive(address: str, part: Path) -> None:
    """Append to `part` what it lacks."""
    start = part.stat().st_size if part.exists() else 0
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=_RETRIES))
        # Compressed transfer would make the range count other bytes than the file's.
        headers = {"Range": f"bytes={start}-", "Accept-Encoding": "identity"}
        with session.get(address, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
            if answer.status_code == requests.codes.requested_range_not_satisfiable and start:
                return
            answer.raise_for_status()
            if answer.status_code != requests.codes.partial_content:
                start = 0
            _store(answer, part, start)


def _store(answer: requests.Response, part: Path, start: int) -> None:
    length = answer.headers.get("Content-Length")
    total = start + int(length) if length else None
    with (
        part.open("ab" if start else "wb") as file,
        tqdm(
            desc=part.stem, total=total, initial=start, unit="B", unit_scale=True, unit_divisor=1024
        ) as bar,
    ):
        # As sent: some servers take .gz files for a compression of the transfer, and say so.
        for chunk in answer.raw.stream(_CHUNK, decode_content=False):
            file.write(chunk)
            bar.update(len(chunk))
