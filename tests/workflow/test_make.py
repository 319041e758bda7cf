"""`anyslice make` beside others in the same folder."""

import os
import subprocess
import sys
import time
from pathlib import Path
from threading import Lock, Semaphore
from types import SimpleNamespace

import pytest
from snakemake.scheduling.job_scheduler import JobScheduler

from anyslice.errors import AnysliceError
from anyslice.pipeline import recovery

SNAKEFILE = """
rule all:
    output: "made"
    shell: "sleep 5; touch {output}"
"""


@pytest.mark.slow
def test_several_that_waited_for_one_that_is_killed_take_turns(tmp_path):
    """A `dvc repro` that is killed leaves one that waits, and whoever starts again adds another."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def start():
        command = ["anyslice", "make", "--cores", "1", "--rerun-incomplete"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, cwd=tmp_path, env=environment, **pipes)

    killed = start()
    while not list(tmp_path.glob(".snakemake/locks/*")):
        assert killed.poll() is None
        time.sleep(0.05)
    others = [start() for _ in range(8)]
    for other in others:
        assert "waiting for Snakemake" in other.stdout.readline()
    killed.kill()
    killed.communicate()
    for other in others:
        said = other.communicate(timeout=120)[0]
        assert other.returncode == 0, said
    assert (tmp_path / "made").exists()


def test_sigterm_stops_snakemake_while_it_chooses_jobs():
    scheduler = SimpleNamespace(_lock=Lock(), _open_jobs=Semaphore(0), _user_kill=None)
    recovery.let_sigterm_in(scheduler)
    with scheduler._lock:  # as while jobs are chosen, by the thread that handles signals
        JobScheduler.exit_gracefully(scheduler)
    assert scheduler._user_kill == "graceful"


def test_a_folder_that_cannot_be_written_is_refused_in_a_sentence(monkeypatch):
    monkeypatch.setattr(recovery.os, "access", lambda *_: False)
    with pytest.raises(AnysliceError, match="make the folder writable, or work in a copy"):
        recovery.refuse_read_only_folder()
