"""How far a scale is: how many trainings are done, and how long the rest may take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

from tqdm import tqdm

from anyslice.config.scale import Scale

if TYPE_CHECKING:
    from anyslice.jobs.status import Status


@dataclass(frozen=True)
class Outlook:
    """The total of a scale.

    Attributes:
        done: trainings that are done and not outdated.
        of: all trainings.
        running: how many run side by side.
        seconds_left: until all are done, if as many go on side by side as now, each as fast as
            those before it; None while nothing says how long a training takes.
    """

    done: int
    of: int
    running: int
    seconds_left: float | None

    def __str__(self) -> str:
        if self.done == self.of:
            return f"{self.done} of {self.of} done"
        if self.seconds_left is None:
            return f"{self.done} of {self.of} done, the time left unknown until one has run"
        speed = f"at the present speed, {self.running} at a time" if self.running else "one by one"
        left = tqdm.format_interval(self.seconds_left)
        return f"{self.done} of {self.of} done, about {left} left {speed}"


def outlook_of(rows: Sequence[Status]) -> Outlook:
    """The total of all trainings of a scale."""
    running = sum(row.state == "running" for row in rows)
    left = [_left(row, rows) for row in rows if row.state != "done"]
    known = [seconds for seconds in left if seconds is not None]
    return Outlook(
        done=len(rows) - len(left),
        of=len(rows),
        running=running,
        seconds_left=sum(known) / max(1, running) if len(known) == len(left) else None,
    )


def _left(row: Status, rows: Iterable[Status]) -> float | None:
    """Seconds that a training has left, by itself or by those most like it that took some."""
    if row.seconds_left is not None:
        return row.seconds_left
    took: dict[str, list[float]] = defaultdict(list)
    for other in rows:
        if other.seconds is not None:
            for like in (other.run, other.run.partition("/")[0], ""):
                took[like].append(other.seconds)
    likes = (row.run, row.run.partition("/")[0], "")
    return next((mean(took[like]) for like in likes if like in took), None)


def left_over(scale: Scale, results: Path) -> list[str]:
    """Runs with results that the scale does not list: renamed or removed, as "<dataset>/<run>"."""
    found = {f"{p.parts[-4]}/{p.parts[-3]}" for p in results.glob("runs/*/*/seed*/metrics.json")}
    listed = {f"{d}/{run}" for d, of_dataset in scale.datasets.items() for run in of_dataset.runs}
    return sorted(found - listed)
