"""What SLURM's queue says of the jobs of a folder. Imports no torch."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class QueuedJob:
    """A job that SLURM has not ended.

    Its state is SLURM's word, such as PENDING; its comment names Snakemake's rule and wildcards.
    """

    id: str
    state: str
    comment: str


def jobs_of(folder: Path) -> list[QueuedJob]:
    """The user's jobs that work in a folder; none where no SLURM answers."""
    command = ["squeue", "--me", "--noheader", "--format=%i|%T|%Z|%k"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return []
    rows = [line.split("|", maxsplit=3) for line in asked.stdout.splitlines()]
    return [
        QueuedJob(number, state, comment)
        for number, state, directory, comment in rows
        if Path(directory) == folder
    ]


def wait_for_jobs(folder: Path) -> None:
    """Wait, with a message, while jobs of a folder are in the queue.

    A Snakemake that is killed leaves them. A second job for the same training would hold GPUs only
    to wait for the first.
    """
    if jobs := jobs_of(folder):
        numbers = " ".join(job.id for job in jobs)
        print(
            f"waiting for the jobs of an earlier Snakemake; to stop them instead, losing at "
            f"most the work since their last checkpoints: scancel {numbers}",
            flush=True,
        )
        while jobs_of(folder):
            time.sleep(5)


def queue_again() -> bool:
    """Have SLURM put the job of this process back into its queue; whether it will.

    The job keeps its number, so that Snakemake sees it wait and run again, and counts no retry.
    """
    number = os.environ.get("SLURM_JOB_ID")
    if not number:
        return False
    try:
        return subprocess.run(["scontrol", "requeue", number]).returncode == 0
    except OSError:
        return False
