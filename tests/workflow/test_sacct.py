"""What workflow/slurm/sacct says to Snakemake's SLURM plugin."""

import os
import subprocess
from pathlib import Path

import pytest

SACCT = Path(__file__).parents[2] / "workflow/slurm/sacct"
QUESTION = ["-X", "--parsable2", "--noheader", "--format=JobIdRaw,State", "--name", "some-run"]


@pytest.fixture
def ask(tmp_path):
    """Asks for the states of a run's jobs, where squeue does what a shell script says."""
    programs = tmp_path / "bin"
    programs.mkdir()

    def ask(squeue: str, *question: str) -> str:
        (programs / "squeue").write_text(f"#!/bin/sh\n{squeue}\n")
        (programs / "squeue").chmod(0o755)
        path = f"{SACCT.parent}:{programs}:{os.environ['PATH']}"
        done = subprocess.run(
            [SACCT, *(question or QUESTION)],
            cwd=tmp_path,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return ask


def test_jobs_that_squeue_does_not_list_any_more_are_unknown(ask):
    assert ask("echo '7|RUNNING'; echo '8|PENDING'") == "7|RUNNING\n8|PENDING\n"
    assert ask("echo '8|RUNNING'") == "8|RUNNING\n7|UNKNOWN\n"
    assert ask("echo '9|PENDING'") == "9|PENDING\n7|UNKNOWN\n8|UNKNOWN\n"


@pytest.mark.slow
def test_it_waits_for_a_controller_that_is_away(ask):
    away_once = "if mkdir asked 2>/dev/null; then exit 1; fi; echo '7|COMPLETED'"
    assert ask(away_once) == "7|COMPLETED\n"


def test_no_account_is_an_answer(ask):
    """The plugin pipes without a shell, so that sacct gets `| tail -1`."""
    assert ask("exit 1", "-nu", "someone", "-o", "Account%256", "|", "tail", "-1") == "none\n"
