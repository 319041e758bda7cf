"""Killed at random moments, started again: the same bytes as if it had never been.

    KILLS=50 KILL_SEED=7 pytest tests/training/test_kill.py

The trainings are real processes that get a real SIGKILL. They are forked from one that has imported
torch already, so that the moments fall on training, saving and finishing, not on the import.
"""

import multiprocessing
import os
import random
import shutil
import time
from dataclasses import replace

import pytest

from anyslice.jobs.interrupt import Interrupts
from anyslice.jobs.results import FILES
from anyslice.jobs.train import run_training
from anyslice.paths import seed_folder

KILLS = int(os.environ.get("KILLS", "2"))
SEED = int(os.environ.get("KILL_SEED", "2018"))


@pytest.fixture(scope="module")
def start():
    """Starts a training in a process of its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["anyslice.jobs.train"])
    finish(started(context.Process()))

    def start(scale, run, seed, folders):
        process = context.Process(
            target=run_training, args=(scale, run, seed, folders, Interrupts())
        )
        return started(process)

    return start


def started(process):
    process.start()
    return process


def finish(process):
    process.join()
    assert process.exitcode == 0


@pytest.mark.slow
def test_killed_trainings_end_with_the_bytes_of_undisturbed_ones(start, short, folders, outcome):
    draw = random.Random(SEED)
    trainings = [
        (f"{d}/{r}", s) for d, of in short.datasets.items() for r in of.runs for s in (1, 2)
    ]
    draw.shuffle(trainings)
    kills, compared = 0, 0
    while kills < KILLS:
        run, seed = trainings[compared % len(trainings)]
        calm, killed = (
            replace(folders, output=folders.output / name, work=folders.work / name)
            for name in ("calm", "killed")
        )
        began = time.monotonic()
        finish(start(short, run, seed, calm))
        duration = time.monotonic() - began
        for _ in range(min(5, KILLS - kills)):
            process = start(short, run, seed, killed)
            process.join(draw.uniform(0, duration / 2))
            process.kill()
            process.join()
            if process.exitcode == 0:
                break
            kills += 1
        finish(start(short, run, seed, killed))
        assert outcome(killed.output) == outcome(calm.output), f"{run} seed {seed}, {SEED=}"
        left = seed_folder(killed.work, short.name, run, seed)
        assert not list(left.rglob("epoch*"))
        assert {path.name for path in killed.output.iterdir()} == set(FILES)
        compared += 1
        shutil.rmtree(folders.output)
        shutil.rmtree(folders.work)
    print(f"{kills} kills of {compared} trainings: all end with the same bytes")


@pytest.mark.slow
def test_work_lost_to_a_kill_is_at_most_one_interval(start, short, folders, capfd):
    run = "fashion-mnist-short/is-resnext"
    scale = replace(short, datasets=longer(short.datasets, 40), checkpoint_minutes=0.1 / 60)
    process = start(scale, run, 1, folders)
    folder = seed_folder(folders.work, scale.name, run, 1)
    while len(list(folder.glob("*/epoch*.json"))) < 2:
        time.sleep(0.01)
    began = time.time()
    time.sleep(1)
    process.kill()
    process.join()
    newest = max(path.stat().st_mtime for path in folder.glob("*/epoch*.json"))
    assert newest - began > 1 - 0.1 - 0.3  # 0.3 s for a step and a save on a busy machine


def longer(datasets, epochs):
    """The data sets with runs of more epochs."""
    return {
        name: replace(
            of,
            runs={
                run: replace(r, recipe=replace(r.recipe, epochs=epochs))
                for run, r in of.runs.items()
            },
        )
        for name, of in datasets.items()
    }
