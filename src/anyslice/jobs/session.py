"""What happens between the steps of a training: it is saved, shown, and stopped when asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch

from anyslice.costs.machine import device_name
from anyslice.jobs.checkpoint import Checkpoint, Checkpoints
from anyslice.jobs.interrupt import Interrupted, Interrupts
from anyslice.training.distributed import Processes
from anyslice.training.session import Session
from anyslice.training.state import State

SHARE = 0.01
"""Checkpoints at the ends of epochs take at most about this share of the time."""

GO, SAVE, STOP = range(3)


class ResumableSession(Session):
    """Saves checkpoints, shows progress, stops when asked.

    Args:
        minutes: at most this long between checkpoints. One is also saved at the end of an epoch,
            unless the epochs are so short that this would take more than SHARE of the time.
        interrupts: asked whether to stop.
        watchers: show how it goes; they must not wait for the device.
        device: that this process trains on.
        processes: those that train together; process 0 saves, all stop after the same step.
        say: tells people; like the watchers, to be given to process 0 only.

    Attributes:
        devices: the names of all devices that this training has run on, the present one last.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        *,
        minutes: float,
        interrupts: Interrupts,
        watchers: Sequence[Session] = (),
        device: torch.device = torch.device("cpu"),  # noqa: B008
        processes: Processes = Processes(),  # noqa: B008
        say: Callable[[str], None] = print,
    ) -> None:
        self.checkpoints, self.minutes, self.interrupts = checkpoints, minutes, interrupts
        self.watchers, self.processes, self.say = watchers, processes, say
        self.devices = [device_name(device)]
        self.saving_seconds = 0.0
        self._state: State  # since `restore`, which the loop calls first
        self._at: tuple[int, int] | None = None
        self._last_save, self._last_cost = time.monotonic(), 0.0

    def restore(self, state: State) -> None:
        """Go to the last checkpoint that is not damaged, if there is one."""
        self._state = state
        checkpoint = self._load()
        if checkpoint is not None:
            state.restore(checkpoint.tensors, checkpoint.numbers)
            self._at = state.epoch, state.step
            self.say(f"resuming from the checkpoint of {state.place}")
            self._note_device(checkpoint.numbers["devices"])

    def _note_device(self, before: list[str]) -> None:
        (now,) = self.devices
        if before[-1] != now:
            self.say(
                f"it ran on {before[-1]} before and runs on {now} now: its last bits may differ "
                "from those of a training on one device"
            )
        self.devices = [*(name for name in before if name != now), now]

    def after_step(self, state: State) -> None:
        """Show, save if it is time, stop if asked."""
        for watcher in self.watchers:
            watcher.after_step(state)
        self._act(self._wanted())

    def while_evaluating(self) -> None:
        """Stop if asked, saved as after the last step."""
        wanted = self._wanted()
        self._act(STOP if wanted == STOP else GO)

    def after_epoch(self, state: State) -> None:
        """Show, save unless it is too soon, stop if asked."""
        for watcher in self.watchers:
            watcher.after_epoch(state)
        soon = time.monotonic() - self._last_save < self._last_cost / SHARE
        self._act(self._wanted(GO if soon else SAVE))

    def before_test(self, state: State) -> None:
        """Save a final checkpoint; evaluation needs no more."""
        self._save()

    def _load(self) -> Checkpoint | None:
        """The last checkpoint; process 0 looks first, since it puts damaged ones aside."""
        if self.processes.rank > 0:
            self.processes.wait()
        checkpoint, messages = self.checkpoints.last()
        if self.processes.rank == 0:
            self.processes.wait()
        for message in messages:
            self.say(message)
        if checkpoint is None and (reason := self.checkpoints.why_not_an_older_one()):
            self.say(reason)
        return checkpoint

    def _wanted(self, at_least: int = GO) -> int:
        """GO, SAVE or STOP, the same in all processes."""
        due = time.monotonic() - self._last_save >= self.minutes * 60
        mine = STOP if self.interrupts.reason else SAVE if due else at_least
        return self.processes.highest(mine)

    def _act(self, wanted: int) -> None:
        if wanted != GO:
            self._save()
        if wanted == STOP:
            raise Interrupted(
                f"stopped at {self._state.place} "
                f"({self.interrupts.reason or 'another process was asked to'}); "
                "the same command resumes from there"
            )

    def _save(self) -> None:
        state, start = self._state, time.monotonic()
        if self._at == (state.epoch, state.step):
            return
        state.raise_if_diverged()
        if self.processes.rank == 0:
            numbers = state.numbers() | {"devices": self.devices}
            self.checkpoints.save(Checkpoint(state.tensors(), numbers))
        self.processes.wait()
        self._at = state.epoch, state.step
        self._last_save = time.monotonic()
        self._last_cost = self._last_save - start
        self.saving_seconds += self._last_cost
