"""Signals, the time budget, and what the command line says and returns."""

import json
import os
import signal
import subprocess
import time

import pytest

from anyslice.jobs.interrupt import EXIT_CODE, Interrupts
from anyslice.paths import seed_folder

LONG = "epochs: 3", "epochs: 200"


@pytest.fixture
def command(train_command, changed_scale):
    """Starts `anyslice train` on a run of the tests' scale, the scale's text changed."""

    def start(*arguments, change=("", "")):
        return subprocess.Popen(
            train_command(changed_scale(*change), *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )

    return start


def wait_for_an_epoch(process):
    for line in process.stdout:
        if "epoch 1/" in line:
            return
    raise AssertionError("ended before an epoch was done")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_saves_and_exits_with_75(command, folders, number):
    process = command(change=LONG)
    wait_for_an_epoch(process)
    process.send_signal(number)
    began = time.monotonic()
    said = process.communicate(timeout=30)[0]
    assert process.returncode == EXIT_CODE == 75
    assert time.monotonic() - began < 30
    assert f"got {number.name}" in said
    assert "the same command resumes from there" in said
    folder = seed_folder(folders.work, "short", "fashion-mnist-short/is-resnext", 1)
    newest = max(folder.glob("*/epoch*.json"))
    numbers = json.loads(newest.read_text())["content"]["numbers"]
    epoch, step = numbers["epoch"], numbers["step"]
    epoch, step = (epoch, step) if step else (epoch - 1, 5)
    assert f"stopped at epoch {epoch}, step {step} " in said
    assert list(folders.output.iterdir()) == []


@pytest.mark.slow
def test_the_time_budget_does_the_same(command):
    process = command("--time-budget", "0.001", change=LONG)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == EXIT_CODE, said
    assert "the time budget of 0.001 minutes is used up" in said


@pytest.mark.slow
def test_a_divergence_names_step_rate_and_subnetwork_and_leaves_no_result(command, folders):
    process = command(change=("learning_rate: 0.1", "learning_rate: 1.0e+30"))
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 1
    assert "Error: the loss of sub-network 1 is nan at step 2 of epoch 1" in said
    assert "learning rate 1e+30" in said
    assert list(folders.output.iterdir()) == []


def test_a_second_ctrl_c_interrupts_at_once():
    with Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.reason == "got SIGINT"
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGUSR1)
    with Interrupts():
        assert signal.getsignal(signal.SIGUSR1) != before
    assert signal.getsignal(signal.SIGUSR1) == before
