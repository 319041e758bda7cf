"""What the terminal shows of Snakemake's work: a line for each job that is done, and errors whole.

Snakemake's own records of some ten lines for each job are in .snakemake/log/. A dry run, which is
asked for what would be done and why, shows them.
"""

from __future__ import annotations

import sys
import time
from logging import WARNING, LogRecord
from pathlib import Path
from typing import Any

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from tqdm import tqdm

NOISE = (
    "Assuming unrestricted",
    "Building DAG",
    "Elapsed time",
    "Execute ",
    "Provided cores",
    "Provided resources",
    "Rules claiming",
    "Select jobs",
    "Singularity containers",
    "Using shell",
)
"""What Snakemake's messages begin with that tell a user nothing."""

SHOWN = (LogEvent.JOB_ERROR, LogEvent.GROUP_ERROR, LogEvent.ERROR)
FORCED = "Forced execution"


class LogHandler(LogHandlerBase):
    """Shows one line for each finished job and, on a terminal, which jobs run.

    In place of Snakemake's own; but its filter, with what --quiet says, and its formatter are used.
    """

    writes_to_stream = True
    writes_to_file = has_filter = has_formatter = needs_rulegraph = False

    def __post_init__(self) -> None:
        settings = self.common_settings
        self.stream = sys.stdout if settings.stdout else sys.stderr
        self.whole = bool(settings.dryrun or settings.verbose or settings.printshellcmds)
        self.running: dict[int, tuple[str, float]] = {}
        self.done = self.total = 0

    def emit(self, record: LogRecord) -> None:
        """Show what a user needs of a record."""
        event, facts = getattr(record, "event", None), vars(record)
        if self.whole:
            self._print(self.format(_explained(record)))
        elif event == LogEvent.RUN_INFO:
            self.total = facts["stats"]["total"]
            self._print(planned(facts["stats"]))
        elif event == LogEvent.JOB_INFO:
            self.running[facts["jobid"]] = (title(facts), time.monotonic())
        elif event == LogEvent.JOB_FINISHED:
            self._finish(facts["job_id"])
        elif event in SHOWN or record.levelno >= WARNING:
            self.running.pop(facts.get("jobid", -1), None)
            self._print(self.format(record))
        elif event is None and not record.getMessage().startswith(NOISE):
            self._print(self.format(record))
        self._show_running()

    def _finish(self, job: int) -> None:
        name, start = self.running.pop(job, (f"job {job}", time.monotonic()))
        self.done += 1
        took = tqdm.format_interval(time.monotonic() - start)
        width = len(str(self.total))
        self._print(f"{self.done:{width}} of {self.total} done  {took}  {name}")

    def _show_running(self) -> None:
        """On a terminal, the jobs that run, on a line that the next one replaces."""
        if self.running and self.stream.isatty() and not self.whole:
            names = ", ".join(name for name, _ in self.running.values())
            self.stream.write(f"\r\033[K{len(self.running)} running: {names}"[:100])
            self.stream.flush()

    def _print(self, text: str) -> None:
        if text:
            begin = "\r\033[K" if self.stream.isatty() and not self.whole else ""
            self.stream.write(f"{begin}{text}\n")
            self.stream.flush()


def planned(stats: dict[str, int]) -> str:
    """How many jobs there are to do, and of which rules."""
    counts = ", ".join(f"{count} {rule}" for rule, count in stats.items() if rule != "total")
    return f"{stats['total']} jobs to do: {counts}"


def title(job: dict[str, Any]) -> str:
    """A job by its rule and wildcards: "train fashion-mnist-quick/i-resnext seed 1"."""
    wildcards = dict(job["wildcards"])
    seed = wildcards.pop("seed", None)
    parts = [str(job["rule_name"]), "/".join(map(str, wildcards.values()))]
    return " ".join(part for part in [*parts, f"seed {seed}" if seed else ""] if part)


def _explained(record: LogRecord) -> LogRecord:
    """A job's record whose reason says which of its results are missing.

    A result that was deleted behind a finished figure is one that the workflow forces, so Snakemake
    gives no other reason.
    """
    if getattr(record, "reason", None) == FORCED:
        outputs = [path for path in vars(record)["output"] if not Path(path).exists()]
        record.reason = f"Missing: {', '.join(outputs)}" if outputs else "Asked for (--force)"
    return record
