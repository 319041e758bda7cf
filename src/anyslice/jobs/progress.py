"""Showing a training: a live line, a file for `anyslice status`, TensorBoard's event files."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from anyslice.jobs.status import errors_of
from anyslice.training.session import Session
from anyslice.training.state import Epoch, State

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

REFRESH_SECONDS = 5.0
LINE_SECONDS = 60.0


class Pace:
    """How fast a training goes since this process began it, and how long it will take."""

    def __init__(self, epochs: int, batch_size: int) -> None:
        self.epochs, self.batch_size = epochs, batch_size
        self._start: float | None = None
        self._first = 0

    def update(self, state: State) -> None:
        """Call first after each step."""
        if self._start is None:
            self._start, self._first = time.monotonic(), self._done(state)

    def images_per_second(self, state: State) -> float:
        """Evaluation included; 0 before anything was measured."""
        if self._start is None:
            return 0.0
        steps = self._done(state) - self._first
        return steps * self.batch_size / max(time.monotonic() - self._start, 1e-9)

    def seconds_left(self, state: State) -> float | None:
        """Until the last epoch is done, if every step takes as long as until now."""
        speed = self.images_per_second(state)
        steps = self.epochs * len(state.losses) - self._done(state)
        return steps * self.batch_size / speed if speed else None

    def _done(self, state: State) -> int:
        return (state.epoch - 1) * len(state.losses) + state.step


class LiveLine(Session):
    """Epoch, loss, errors of thinnest and full sub-network, images/s and time left, on one line.

    On a terminal the line is live. In a log it is printed after each epoch and every minute.
    """

    def __init__(self, title: str, pace: Pace) -> None:
        self.title, self.pace = title, pace
        self.live = sys.stdout.isatty()
        self._next = time.monotonic() + (0.1 if self.live else LINE_SECONDS)

    def after_step(self, state: State) -> None:
        """Show the line if it is time to."""
        self.pace.update(state)
        if time.monotonic() >= self._next and state.step < len(state.losses):
            self._show(state, state.epoch)

    def after_epoch(self, state: State) -> None:
        """Show the epoch's line."""
        self._show(state, state.history[-1].epoch)
        if self.live:
            print()

    def _show(self, state: State, epoch: int) -> None:
        """Print the line of an epoch that is done or being trained."""
        self._next = time.monotonic() + (0.1 if self.live else LINE_SECONDS)
        last = state.history[-1] if state.history else None
        left = self.pace.seconds_left(state)
        parts = [
            f"{self.title}  epoch {epoch}/{self.pace.epochs}",
            f"step {state.step}/{len(state.losses)}" if state.step else "",
            f"loss {sum(last.train_losses):.3f}" if last else "",
            errors_of("validation error", _of_classes(last)) if last else "",
            f"{self.pace.images_per_second(state):.0f} images/s",
            f"{tqdm.format_interval(left)} left" if left is not None else "",
        ]
        text = "  ".join(part for part in parts if part)
        print(f"\r{text}\033[K" if self.live else text, end="" if self.live else "\n", flush=True)


class ProgressFile(Session):
    """progress.json in the resume area, at most every few seconds; `anyslice status` reads it."""

    def __init__(self, path: Path, pace: Pace) -> None:
        self.path, self.pace = path, pace
        self._next = time.monotonic()

    def after_step(self, state: State) -> None:
        """Write if it is time to."""
        self.pace.update(state)
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + REFRESH_SECONDS
            self.after_epoch(state)

    def after_epoch(self, state: State) -> None:
        """Write."""
        last = state.history[-1] if state.history else None
        write_progress(
            self.path,
            "running",
            epoch=state.epoch,
            epochs=self.pace.epochs,
            step=state.step,
            steps=len(state.losses),
            images_per_second=self.pace.images_per_second(state),
            seconds_left=self.pace.seconds_left(state),
            validation_errors=last and _of_classes(last),
        )


class TensorBoard(Session):
    """Event files: losses, validation errors, learning rate and speed, a point per epoch.

    Until an epoch ends, losses stay on the device.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writer: SummaryWriter | None = None

    def after_epoch(self, state: State) -> None:
        """Add the epoch's points; after a resumption, in place of those that were lost."""
        from torch.utils.tensorboard import SummaryWriter

        epoch = state.history[-1]
        if self.writer is None:
            self.writer = SummaryWriter(self.folder, purge_step=epoch.epoch)
        values = {
            "learning rate": epoch.learning_rate,
            "images per second": epoch.images_per_second,
        }
        for k, (loss, errors) in enumerate(
            zip(epoch.train_losses, epoch.validation_errors, strict=True), start=1
        ):
            values[f"training loss/sub-network {k}"] = loss
            for d, error in enumerate(errors, start=1):
                level = f", level {d}" if len(errors) > 1 else ""
                values[f"validation error/sub-network {k}{level}"] = error
        for name, value in values.items():
            self.writer.add_scalar(name, value, epoch.epoch)
        self.writer.flush()


def write_progress(path: Path, state: str, **facts: Any) -> None:
    """Write progress.json; a full disk must not end a training because of it."""
    process = {"state": state, "pid": os.getpid(), "host": socket.gethostname()}
    temporary = path.with_name(f".{path.name}.part")
    with suppress(OSError):
        temporary.write_text(
            json.dumps(process | facts | {"updated": time.time()}), encoding="utf-8"
        )
        temporary.replace(path)


def _of_classes(epoch: Epoch) -> list[float]:
    """Each sub-network's validation error on the finest level, in percent."""
    return [by_level[0] for by_level in epoch.validation_errors]
