"""Resume where Snakemake was killed, or where a machine is not as Snakemake expects it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from threading import RLock
from typing import Any

import psutil

from anyslice.errors import AnysliceError
from anyslice.files import read_json, write_json
from anyslice.paths import user_cache

LOCKS = Path(".snakemake/locks")

STARTING = Path(".snakemake/starting")
"""A lock, held from before a Snakemake looks whether another works until it does so itself."""

OWNER = Path(".snakemake/owner.json")
"""Host and process of the Snakemake that holds the lock."""

CLOCK_SKEW = 5
"""Seconds by which the clocks of a cluster's machines may differ without a word."""


def refuse_read_only_folder() -> None:
    """Raise AnysliceError if Snakemake, which also in a dry run writes, could not work here."""
    if not os.access(".", os.W_OK):
        raise AnysliceError(
            f"{Path.cwd()} cannot be written, and Snakemake keeps its records there, in "
            ".snakemake: make the folder writable, or work in a copy of it"
        )


def wait_for_snakemake() -> None:
    """Wait, and say so, while a Snakemake works in the current folder.

    A `dvc repro` that is killed leaves the Snakemake that it started; what that makes is needed.
    """
    if process := running_snakemake():
        print(f"waiting for Snakemake, process {process.pid}, to end", flush=True)
        while running_snakemake():
            time.sleep(0.5)


def running_snakemake() -> psutil.Process | None:
    """A Snakemake that works in the current folder and did not start this process."""
    own = {process.pid for process in [psutil.Process(), *psutil.Process().parents()]}
    for process in psutil.process_iter():
        try:
            if (
                process.pid not in own
                and is_snakemake(process.cmdline())
                and Path(process.cwd()) == Path.cwd()
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                return process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return None


def is_snakemake(command: list[str]) -> bool:
    """Whether a command line is that of Snakemake: `snakemake` or `python -m snakemake`."""
    names = [Path(part).name for part in command[:3]]
    return names[:1] == ["snakemake"] or (
        names[:1] != [] and names[0].startswith("python") and "snakemake" in names[1:]
    )


def note_owner() -> None:
    """Say which Snakemake holds the lock of the current folder, for other hosts."""
    write_json(OWNER, {"host": socket.gethostname(), "pid": os.getpid()})


def let_sigterm_in(scheduler: Any) -> None:
    """Let SIGTERM stop Snakemake at any moment.

    The handler of Snakemake's scheduler takes a lock that the same thread holds while it chooses
    jobs: Snakemake would wait for itself for ever, and `wait_for_snakemake` for Snakemake.
    """
    scheduler._lock = RLock()


def refuse_lock_of_another_host() -> None:
    """Raise AnysliceError if a Snakemake of another host has locked the current folder."""
    owner = read_json(OWNER) if all_locks() and OWNER.exists() else {"host": socket.gethostname()}
    if owner["host"] != socket.gethostname():
        raise AnysliceError(
            f"a Snakemake works in this folder on {owner['host']}, as process {owner['pid']}: stop "
            "it there. If it was killed, remove its lock by `snakemake --unlock`; then start again."
        )


def remove_stale_lock() -> None:
    """Remove Snakemake's lock of the current folder, which one that was killed has left.

    Raises:
        AnysliceError: if it belongs to another host, where it may still work.
    """
    refuse_lock_of_another_host()
    if all_locks():
        print("removing the lock of a Snakemake that was killed", flush=True)
        subprocess.run(["snakemake", "--unlock", "--quiet", "all"], check=True)


def all_locks() -> list[Path]:
    """Snakemake's locks of the current folder."""
    return list(LOCKS.iterdir()) if LOCKS.is_dir() else []


def date_back(paths: Iterable[Path]) -> None:
    """Reset modification times that lie in the future, with a warning.

    Another machine's clock may have dated them. Snakemake takes a training's result for outdated if
    it is older than its data, so the training would fail at its end, every time.
    """
    for path in paths:
        if path.stat().st_mtime > time.time() + CLOCK_SKEW:
            print(f"{path} is dated in the future: it gets the present time", file=sys.stderr)
            os.utime(path)


def use_writable_cache() -> None:
    """Let Snakemake use .cache/ in this folder where the user's cache folder cannot be written."""
    cache = user_cache()
    with suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True)
    if not os.access(cache, os.W_OK):
        os.environ["XDG_CACHE_HOME"] = str(Path(".cache").resolve())


def find_first(folder: Path) -> None:
    """Prepend a folder to PATH."""
    os.environ["PATH"] = os.pathsep.join([str(folder), os.environ["PATH"]])
