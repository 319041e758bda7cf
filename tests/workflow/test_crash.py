"""Figure 4a at the quick scale while everything is killed, at random moments.

    KILLS=20 KILL_SEED=7 pytest -s tests/workflow/test_crash.py

Trainings, Snakemake and `dvc repro` get a real SIGKILL. After each of the latter two the documented
command starts again at once, beside what the dead one has left running.
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

KILLS = int(os.environ.get("KILLS", "0"))
SEED = int(os.environ.get("KILL_SEED", "2018"))
TABLE = Path("results/quick/fig4a.csv")
COMMANDS = {
    "snakemake": ("anyslice", "make", "results/fig4a.pdf"),
    "dvc": ("dvc", "repro", "fig4a"),
}


@pytest.fixture
def repository(tmp_path, copy_repository, run):
    def repository(name: str) -> Path:
        folder = copy_repository(tmp_path / name)
        run(folder, "git", "init", "--quiet")
        return folder

    return repository


def processes(folder: Path) -> dict[str, list[psutil.Process]]:
    """Trainings, Snakemakes and DVCs that work in a folder."""
    found: dict[str, list[psutil.Process]] = {"training": [], "snakemake": [], "dvc": []}
    for process in psutil.process_iter():
        try:
            command = [Path(part).name for part in process.cmdline()[:3]]
            here = Path(process.cwd()) == folder
        except psutil.Error:
            continue
        if here and command[1:] == ["anyslice", "train"]:
            found["training"].append(process)
        elif here and command[1:2] in (["snakemake"], ["dvc"]):
            found[command[1]].append(process)
    return found


def kill_one(folder: Path, draw: random.Random) -> str | None:
    """Kill a random process of a random kind; the kind, or None if nothing runs."""
    running = {kind: found for kind, found in processes(folder).items() if found}
    if not running:
        return None
    kind = draw.choice(sorted(running))
    draw.choice(running[kind]).send_signal(signal.SIGKILL)
    return kind


@pytest.mark.skipif(KILLS == 0, reason="it takes a quarter of an hour: make crashtest")
def test_after_every_kill_one_command_goes_on_to_the_same_table(repository, start, run):
    draw = random.Random(SEED)
    calm, folder = repository("calm"), repository("killed")
    run(calm, *COMMANDS["snakemake"])
    kills: list[str] = []
    while len(kills) < KILLS:
        kills += make_under_fire(folder, start, draw, KILLS - len(kills))
        assert (folder / TABLE).read_bytes() == (calm / TABLE).read_bytes()
        for made in ("results/quick", "work", ".snakemake"):
            shutil.rmtree(folder / made)
    print({kind: kills.count(kind) for kind in sorted(set(kills))}, "killed; the table is the same")


def make_under_fire(folder: Path, start, draw: random.Random, most: int) -> list[str]:
    """Make the figure, killing at most so often; what was killed."""
    kills: list[str] = []
    while True:
        process, disturbed = start(folder, *COMMANDS[draw.choice(sorted(COMMANDS))]), False
        while process.poll() is None:
            wait(process, draw.uniform(1, 25) if len(kills) < most else None)
            if process.poll() is None and (kind := kill_one(folder, draw)):
                kills, disturbed = [*kills, kind], True
                wait(process, 0.5)
        if process.returncode == 0:
            return kills
        assert disturbed, "the command failed, though nothing was killed while it ran"


def wait(process: subprocess.Popen, seconds: float | None) -> None:
    """Until the process ends, but no longer."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
