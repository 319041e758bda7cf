"""Each training has GPUs of its own: real processes and real locks on pretended device numbers."""

import os
import signal
import subprocess
import sys
from collections import Counter

import pytest
import torch

from anyslice.errors import AnysliceError
from anyslice.jobs.gpus import VISIBLE, allowed_devices
from anyslice.jobs.interrupt import EXIT_CODE
from anyslice.jobs.train import clear_memory_errors

TRAINING = f"""
import os, sys, click
from anyslice.jobs.gpus import own_gpus
from anyslice.jobs.interrupt import Interrupts

with own_gpus(int(sys.argv[1]), Interrupts(), click.echo):
    click.echo("has " + os.environ["{VISIBLE}"])
    sys.stdin.readline()
"""
"""Takes GPUs, says which, and has them until it is sent a line."""

CROWD = f"""
import os, sys, time
from anyslice.jobs import gpus
from anyslice.jobs.interrupt import Interrupts

gpus.POLL_SECONDS = 0.01
log = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for turn in range(3):
    with gpus.own_gpus(int(sys.argv[1]), Interrupts(), lambda text: None):
        mine = os.environ["{VISIBLE}"]
        os.write(log, f"+{{mine}}\\n".encode())
        time.sleep(0.02)
        os.write(log, f"-{{mine}}\\n".encode())
"""
"""Three times: takes GPUs, notes when it has them and when no longer."""


class Machine:
    """A machine with pretended GPUs, and the processes that were started on it."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = []

    def environment(self, visible, **more):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", VISIBLE))}
        shown = {} if visible is None else {VISIBLE: visible}
        return kept | shown | {"TMPDIR": str(self.folder), "OMP_NUM_THREADS": "1"} | more

    def start(self, command, visible, **more):
        process = subprocess.Popen(
            command,
            env=self.environment(visible, **more),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        return process

    def training(self, visible="0,1", *, gpus=1, **more):
        return self.start([sys.executable, "-c", TRAINING, str(gpus)], visible, **more)

    def crowd(self, count, visible, gpus):
        """`count` processes at once; what they noted."""
        log = self.folder / "log"
        command = [sys.executable, "-c", CROWD, str(gpus), str(log)]
        for process in [self.start(command, visible) for _ in range(count)]:
            said = process.communicate(timeout=60)[0]
            assert process.returncode == 0, said
        return log.read_text().split()


@pytest.fixture
def machine(tmp_path):
    machine = Machine(tmp_path)
    yield machine
    for process in machine.processes:
        process.kill()
        process.communicate()


def says(process):
    return process.stdout.readline().strip()


def end(process):
    said, _ = process.communicate("\n", timeout=30)
    assert process.returncode == 0, said


def most_at_once(notes):
    """For each GPU how many had it at once, at most."""
    now, most = Counter(), Counter()
    for note in notes:
        for device in note[1:].split(","):
            now[device] += 1 if note[0] == "+" else -1
            most[device] = max(most[device], now[device])
    assert not any(now.values())
    return most


@pytest.mark.slow
def test_each_training_has_a_gpu_of_its_own_and_the_next_one_waits(machine):
    first, second = machine.training(), machine.training()
    assert {says(first), says(second)} == {"has 0", "has 1"}
    third = machine.training()
    assert says(third).startswith("waiting for GPUs: 1, of 0, 1; other trainings hold the locks")
    end(second)
    assert says(third).startswith("has ")


@pytest.mark.slow
def test_a_killed_training_frees_its_gpu(machine):
    first = machine.training("0")
    assert says(first) == "has 0"
    second = machine.training("0")
    assert says(second).startswith("waiting")
    first.kill()
    assert says(second) == "has 0"


@pytest.mark.slow
@pytest.mark.parametrize(("gpus", "visible"), [(1, "0,1"), (2, "0,1,2")])
def test_no_gpu_has_two_trainings_and_all_get_their_turn(machine, gpus, visible):
    notes = machine.crowd(6, visible, gpus)
    assert len(notes) == 6 * 3 * 2
    assert all(note.count(",") == gpus - 1 for note in notes)
    assert max(most_at_once(notes).values()) == 1


@pytest.mark.slow
def test_several_gpus_are_taken_together_or_not_at_all(machine):
    """One that waits for two GPUs keeps none of them from one that needs one."""
    single = machine.training("0,1")
    assert says(single) == "has 0"
    both = machine.training("0,1", gpus=2)
    assert says(both).startswith("waiting for GPUs: 2, of 0, 1")
    other = machine.training("0,1")
    assert says(other) == "has 1"
    end(single)
    end(other)
    assert says(both) == "has 0,1"


@pytest.mark.parametrize(
    ("visible", "devices"),
    [
        ("3", ["3"]),
        ("2, 0,01", ["2", "0", "1"]),
        ("GPU-8932f937-d72c,GPU-1ab3", ["GPU-8932f937-d72c", "GPU-1ab3"]),
        ("MIG-GPU-8932f937/1/0", ["MIG-GPU-8932f937/1/0"]),
        ("", []),
        ("NoDevFiles", []),
        ("1,-1,0", ["1"]),
        ("1,1", []),
    ],
)
def test_allowed_devices_are_those_that_cuda_would_see(monkeypatch, visible, devices):
    monkeypatch.setenv(VISIBLE, visible)
    assert allowed_devices() == devices


@pytest.mark.slow
def test_only_allowed_gpus_are_taken_whatever_they_are_called(machine):
    names = ["7", "GPU-8932f937-d72c", "MIG-GPU-8932f937/1/0"]
    for name in names:
        assert says(machine.training(name)) == f"has {name}"
    for name in names:
        assert says(machine.training(name)).startswith("waiting")


def test_jobs_of_slurm_do_not_wait_for_each_other(machine):
    """In each job the first GPU is number 0, whichever it is."""
    for job in ("41", "42"):
        assert says(machine.training("0", SLURM_JOB_ID=job)) == "has 0"


def test_trainings_within_a_job_of_slurm_share_its_gpus(machine):
    trainings = [machine.training("0,1", SLURM_JOB_ID="41") for _ in range(2)]
    assert {says(process) for process in trainings} == {"has 0", "has 1"}


@pytest.fixture
def command(train_command, changed_scale):
    """`anyslice train` at a scale that takes GPUs."""

    def make(*arguments, gpus=1):
        return train_command(changed_scale("gpus: 0", f"gpus: {gpus}"), *arguments)

    return make


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_ends_the_waiting(machine, command, number):
    assert says(machine.training("0")) == "has 0"
    waiting = machine.start(command(), "0")
    assert says(waiting).startswith("waiting")
    waiting.send_signal(number)
    said = waiting.communicate(timeout=30)[0]
    assert waiting.returncode == EXIT_CODE
    assert f"got {number.name}, while waiting for a GPU" in said


@pytest.mark.slow
def test_the_time_budget_ends_the_waiting(machine, command):
    assert says(machine.training("0")) == "has 0"
    waiting = machine.start(command("--time-budget", "0.02"), "0")
    assert "the time budget of 0.02 minutes is used up" in waiting.communicate(timeout=30)[0]
    assert waiting.returncode == EXIT_CODE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("visible", "gpus", "why"),
    [
        ("", 1, "1, but CUDA_VISIBLE_DEVICES='' allows 0"),
        ("0,1", 4, "4, but CUDA_VISIBLE_DEVICES='0,1' allows 2"),
        pytest.param(
            None,
            1,
            "1, but torch sees 0",
            marks=pytest.mark.skipif(torch.cuda.device_count() > 0, reason="there are GPUs"),
        ),
    ],
)
def test_gpus_that_are_not_there_are_an_error_and_no_waiting(machine, command, visible, gpus, why):
    training = machine.start(command(gpus=gpus), visible)
    said = training.communicate(timeout=60)[0]
    assert training.returncode == 1
    assert f"Error: the training takes GPUs (`gpus`, --processes): {why}" in said


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.device_count() > 0, reason="there are GPUs")
def test_a_process_of_torchrun_takes_no_gpu_itself(machine, command):
    """It has those that its parent took, so here it goes on, and misses the real GPU."""
    assert says(machine.training("0")) == "has 0"
    process = machine.start(command(), "0", WORLD_SIZE="1")
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 1
    assert "waiting" not in said
    assert "torch sees none" in said


def test_a_gpu_that_is_too_small_is_named_with_what_would_help(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (0, 16_000_000_000))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla T4")
    message = r"^16.0 GB, all that Tesla T4 has, are too few for a batch of 96: .* or --bf16$"
    with (
        pytest.raises(AnysliceError, match=message),
        clear_memory_errors(96, torch.device("cuda")),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory")
