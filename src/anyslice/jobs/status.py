"""How the trainings of a scale stand, by their files and SLURM's queue. Imports no torch."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil
from tqdm import tqdm

from anyslice.config.scale import Scale
from anyslice.files import read_json
from anyslice.jobs.identity import changes_since
from anyslice.jobs.slurm import QueuedJob
from anyslice.paths import (
    LOG,
    MANIFEST,
    METRICS,
    PROGRESS,
    dataset_of,
    seed_folder,
    training_folder,
)

STATES = ("waiting", "running", "done", "outdated", "failed")
"""Of a training. An outdated one is done, but code, parameters or data have changed since."""

SILENT_SECONDS = 120.0
"""A training that has not written its progress for so long does not run any more."""


@dataclass(frozen=True)
class Status:
    """One training.

    Attributes:
        run: "<dataset>/<run>".
        seed: of the training.
        state: one of STATES.
        detail: progress, error or message, for people.
    """

    run: str
    seed: int
    state: str
    detail: str


def status_of(
    scale: Scale, results: Path, work: Path, data: Path, queue: Sequence[QueuedJob] = ()
) -> list[Status]:
    """All trainings of a scale, in its order, from the folders that `anyslice status` takes.

    One that failed but is in SLURM's queue again waits.
    """
    rows = [
        _finished(results, run, seed, scale, data / dataset_of(run) / MANIFEST)
        or _unfinished(results, run, seed, seed_folder(work, scale.name, run, seed))
        for run in scale.listed
        for seed in scale.seeds
    ]
    return [_queued(row, queue) if row.state == "failed" else row for row in rows]


def _queued(row: Status, queue: Sequence[QueuedJob]) -> Status:
    wildcards = f"{row.run.replace('/', '_')}_{row.seed}"
    for job in queue:
        if job.comment.endswith(wildcards):
            return replace(row, state="waiting", detail=f"SLURM job {job.id} is {job.state}")
    return row


def left_over(scale: Scale, results: Path) -> list[str]:
    """Runs with results that the scale does not list: renamed or removed, as "<dataset>/<run>"."""
    found = {f"{p.parts[-4]}/{p.parts[-3]}" for p in results.glob(f"runs/*/*/seed*/{METRICS}")}
    return sorted(found - scale.listed.keys())


def as_mapping(rows: list[Status], others: Sequence[str]) -> dict[str, Any]:
    """The trainings, and runs with results that the scale lacks, for JSON."""
    return {
        "trainings": [asdict(row) for row in rows],
        "not_in_the_scale": list(others),
    }


def table(rows: list[Status], others: Sequence[str] = ()) -> str:
    """The trainings as aligned lines below a line of counts, and runs that the scale lacks."""
    counts = {state: sum(row.state == state for row in rows) for state in STATES}
    summary = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    width = max((len(row.run) for row in rows), default=0)
    lines = [f"{row.run:<{width}}  seed {row.seed}  {row.state:<8}  {row.detail}" for row in rows]
    strange = [f"{run}  has results, but the scale has no such run" for run in others]
    return "\n".join([summary, *(line.rstrip() for line in lines), *strange])


def _finished(results: Path, run: str, seed: int, scale: Scale, manifest: Path) -> Status | None:
    folder = training_folder(results, run, seed)
    metrics = _read(folder / METRICS)
    if metrics is None:
        return None
    errors = errors_of("test error", metrics["test_error"])
    changes = changes_since(metrics, scale.run(run), manifest)
    if changes:
        errors += f"  changed since: {', '.join(changes)}"
    return Status(run, seed, "outdated" if changes else "done", errors)


def _unfinished(results: Path, run: str, seed: int, resume: Path) -> Status:
    folder = training_folder(results, run, seed)
    last_line = _last_line(folder / LOG)
    progress = _newest(resume)
    if progress is None:
        if last_line is None:
            return Status(run, seed, "waiting", "")
        just_now = time.time() - (folder / LOG).stat().st_mtime < SILENT_SECONDS
        if just_now and not last_line.startswith("Error"):
            return Status(run, seed, "running", "starting")
        return Status(run, seed, "failed", last_line)
    if progress["state"] == "stopped":
        return Status(run, seed, "waiting", progress["message"])
    if progress["state"] == "running" and _alive(progress):
        return Status(run, seed, "running", progress_line(progress))
    return Status(run, seed, "failed", last_line or progress.get("message", "killed"))


def _newest(resume: Path) -> dict[str, Any] | None:
    """The last written progress.json below a training's resume area."""
    found = [progress for path in resume.glob(f"*/{PROGRESS}") if (progress := _read(path))]
    return max(found, key=lambda progress: progress["updated"], default=None)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = read_json(path)
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _alive(progress: dict[str, Any]) -> bool:
    """Whether the process exists, or, on another machine, has been heard of lately."""
    if progress["host"] != socket.gethostname():
        return bool(time.time() - progress["updated"] < SILENT_SECONDS)
    return bool(psutil.pid_exists(progress["pid"]))


def progress_line(progress: Mapping[str, Any]) -> str:
    """What a progress.json says of a training, on one line."""
    parts = [
        f"epoch {progress['epoch']}/{progress['epochs']}",
        f"step {progress['step']}/{progress['steps']}",
    ]
    if progress["validation_errors"]:
        parts.append(f"loss {progress['loss']:.3f}")
        parts.append(errors_of("validation error", progress["validation_errors"]))
    parts.append(f"{progress['images_per_second']:.0f} images/s")
    if progress["seconds_left"] is not None:
        parts.append(f"{tqdm.format_interval(progress['seconds_left'])} left")
    return "  ".join(parts)


def errors_of(title: str, errors: list[float]) -> str:
    """Errors in percent of the thinnest and of the full sub-network, in words."""
    ends = f"{errors[-1]:.1f} %" if len(errors) == 1 else f"{errors[0]:.1f} ... {errors[-1]:.1f} %"
    return f"{title} {ends}"


def _last_line(log: Path) -> str | None:
    """The last line of a log that is not empty; "" of an empty log, None without one."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            text = file.read().decode(errors="replace")
    except OSError:
        return None
    lines = [line for line in text.replace("\r", "\n").splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
