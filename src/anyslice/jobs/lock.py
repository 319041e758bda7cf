"""One process at a time for each training. Imports no torch."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from anyslice.errors import AnysliceError
from anyslice.files import read_json, remove_half_written, write_json
from anyslice.jobs.interrupt import Interrupted, Interrupts

OWNER = "owner.json"


@contextmanager
def sole_process(folder: Path) -> Iterator[None]:
    """Hold a folder's lock, which the system frees when the process ends in whatever way.

    Raises:
        AnysliceError: if another process holds it, naming it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise AnysliceError(
            f"{folder} is in use by {_owner(folder)}: this training is running already. "
            "Wait for it or stop it; nothing was changed."
        ) from None
    try:
        remove_half_written(folder)
        write_json(
            folder / OWNER,
            {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%F %T")},
        )
        yield
    finally:
        (folder / OWNER).unlink(missing_ok=True)
        lock.release()


def wait_until_free(folder: Path, interrupts: Interrupts) -> None:
    """Wait, with a message, while another process holds a folder's lock.

    Raises:
        Interrupted: if asked to stop meanwhile.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock, said = FileLock(folder / "lock"), False
    while not interrupts.reason:
        try:
            with lock.acquire(blocking=False):
                return
        except Timeout:
            if not said:
                print(f"waiting for {_owner(folder)}, which runs this training", flush=True)
            said = True
            time.sleep(1)
    raise Interrupted(f"{interrupts.reason} while another process ran this training")


def _owner(folder: Path) -> str:
    try:
        owner = read_json(folder / OWNER)
        return f"process {owner['pid']} on {owner['host']} since {owner['since']}"
    except (OSError, ValueError, KeyError):
        return "another process"
