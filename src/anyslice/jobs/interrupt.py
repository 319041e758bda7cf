"""Being asked to stop: by a signal, or by a time budget. Imports no torch."""

from __future__ import annotations

import os
import signal
import time
from types import FrameType
from typing import Self

EXIT_CODE = os.EX_TEMPFAIL
"""Exit status (75) of a training that stopped in order and resumes when started again."""

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class Interrupted(Exception):  # noqa: N818
    """Raised after a requested stop; a checkpoint has been saved."""


class Interrupts:
    """Remembers that the training should stop, for the loop to ask between its steps.

    A second SIGINT acts as usual, so that an impatient Ctrl-C Ctrl-C ends the process at once.
    """

    def __init__(self, budget_minutes: float | None = None) -> None:
        self._signal: signal.Signals | None = None
        self._budget = budget_minutes
        self._start = time.monotonic()
        self._before: dict[signal.Signals, object] = {}

    @property
    def reason(self) -> str | None:
        """Why to stop, or None."""
        if self._signal is not None:
            return f"got {self._signal.name}"
        if self.out_of_time:
            return f"the time budget of {self._budget:g} minutes is used up"
        return None

    @property
    def out_of_time(self) -> bool:
        """Whether the time budget is used up."""
        minutes = (time.monotonic() - self._start) / 60
        return self._budget is not None and minutes >= self._budget

    def __enter__(self) -> Self:
        self._before = {number: signal.getsignal(number) for number in SIGNALS}
        self.listen()
        return self

    def listen(self) -> None:
        """From now on remember signals, until this context ends."""
        for number in SIGNALS:
            signal.signal(number, self._remember)

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self._signal = signal.Signals(number)
        if self._signal is signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)
