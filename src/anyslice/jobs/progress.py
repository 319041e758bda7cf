"""Showing a training: a line in its log, and a file for `anyslice status`."""

from __future__ import annotations

import json
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from anyslice.jobs.status import progress_line
from anyslice.training.session import Session
from anyslice.training.state import State

FILE_SECONDS = 5.0
LINE_SECONDS = 60.0


class Progress(Session):
    """progress.json every few seconds; a line after each epoch and every minute."""

    def __init__(self, title: str, path: Path, epochs: int, batch_size: int) -> None:
        self.title, self.path, self.epochs, self.batch_size = title, path, epochs, batch_size
        self._start: float | None = None
        self._steps_before = 0
        self._next_file = time.monotonic()
        self._next_line = self._next_file + LINE_SECONDS

    def after_step(self, state: State) -> None:
        """Show what is due."""
        now = time.monotonic()
        if self._start is None:
            self._start, self._steps_before = now, self._steps(state)
        if now >= self._next_file:
            self._next_file = now + FILE_SECONDS
            self._show(state, state.epoch, state.step, line=now >= self._next_line)

    def after_epoch(self, state: State) -> None:
        """Show the epoch that has ended."""
        self._show(state, state.history[-1].epoch, len(state.losses), line=True)

    def _show(self, state: State, epoch: int, step: int, *, line: bool) -> None:
        last = state.history[-1] if state.history else None
        facts = {
            "epoch": epoch,
            "epochs": self.epochs,
            "step": step,
            "steps": len(state.losses),
            "loss": last and sum(last.train_losses),
            "validation_errors": last and [of_k[0] for of_k in last.validation_errors],
            **self._speed(state),
        }
        write_progress(self.path, "running", **facts)
        if line:
            self._next_line = time.monotonic() + LINE_SECONDS
            print(f"{self.title}  {progress_line(facts)}", flush=True)

    def _speed(self, state: State) -> dict[str, float | None]:
        """Images a second in this process, evaluation included, and seconds left at this speed."""
        steps = self._steps(state) - self._steps_before
        if self._start is None or steps == 0:
            return {"images_per_second": 0.0, "seconds_left": None}
        speed = steps / max(time.monotonic() - self._start, 1e-9)
        left = self.epochs * len(state.losses) - self._steps(state)
        return {"images_per_second": speed * self.batch_size, "seconds_left": left / speed}

    def _steps(self, state: State) -> int:
        return (state.epoch - 1) * len(state.losses) + state.step


def write_progress(path: Path, state: str, **facts: Any) -> None:
    """Write progress.json; a full disk must not end a training because of it."""
    process = {"state": state, "pid": os.getpid(), "host": socket.gethostname()}
    temporary = path.with_name(f".{path.name}.part")
    with suppress(OSError):
        temporary.write_text(
            json.dumps(process | facts | {"updated": time.time()}), encoding="utf-8"
        )
        temporary.replace(path)
