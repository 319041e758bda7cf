"""Each training has GPUs of its own: real processes and real locks on pretended device numbers."""

import os
import re
import signal
import subprocess
import sys

import pytest
import torch

from anyslice.errors import AnysliceError
from anyslice.jobs.gpus import VISIBLE, allowed_devices, own_gpus
from anyslice.jobs.interrupt import EXIT_CODE, Interrupts
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


def test_jobs_of_slurm_do_not_wait_for_each_other(machine):
    """In each job the first GPU is number 0, whichever it is."""
    for job in ("41", "42"):
        assert says(machine.training("0", SLURM_JOB_ID=job)) == "has 0"


def test_trainings_within_a_job_of_slurm_share_its_gpus(machine):
    trainings = [machine.training("0,1", SLURM_JOB_ID="41") for _ in range(2)]
    assert {says(process) for process in trainings} == {"has 0", "has 1"}


@pytest.fixture
def command(train_command, changed_scale):
    """`anyslice train` at a scale that takes a GPU."""
    return train_command(changed_scale("gpus: 0", "gpus: 1"))


@pytest.mark.slow
def test_a_signal_ends_the_waiting(machine, command):
    assert says(machine.training("0")) == "has 0"
    waiting = machine.start(command, "0")
    assert says(waiting).startswith("waiting")
    waiting.send_signal(signal.SIGTERM)
    said = waiting.communicate(timeout=30)[0]
    assert waiting.returncode == EXIT_CODE
    assert "got SIGTERM, while waiting for a GPU" in said


@pytest.mark.parametrize(
    ("visible", "gpus", "why"),
    [
        ("", 1, "1, but CUDA_VISIBLE_DEVICES='' allows 0"),
        ("0,1", 4, "4, but CUDA_VISIBLE_DEVICES='0,1' allows 2"),
    ],
)
def test_gpus_that_are_not_there_are_an_error_and_no_waiting(monkeypatch, visible, gpus, why):
    monkeypatch.setenv(VISIBLE, visible)
    message = re.escape(f"the training takes GPUs (`gpus`, --processes): {why}")
    with pytest.raises(AnysliceError, match=message), own_gpus(gpus, Interrupts(), print):
        pass


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.device_count() > 0, reason="there are GPUs")
def test_a_process_of_torchrun_takes_no_gpu_itself(machine, command):
    """It has those that its parent took, so here it goes on, and misses the real GPU."""
    assert says(machine.training("0")) == "has 0"
    process = machine.start(command, "0", WORLD_SIZE="1")
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
