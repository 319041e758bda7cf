"""A training that is killed and started again ends with the bytes of an undisturbed one."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

KILLS = int(os.environ.get("KILLS", "1"))
ON_GPU = torch.cuda.is_available()
SWITCHES = [[], ["bf16"], ["tf32"]] if ON_GPU else [[]]
FAMILIES = ["is-resnext", "msdnet"] if ON_GPU else []  # on CPUs tests/training has all families


def started(*arguments):
    script = Path(__file__).parent / "trained.py"
    return subprocess.Popen(
        [sys.executable, script, *map(str, arguments)], stdout=subprocess.DEVNULL
    )


def checkpoints(folder):
    return set(folder.glob("epoch*.json"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "switches"),
    [*((name, []) for name in FAMILIES), *(("i-resnext", switches) for switches in SWITCHES)],
)
def test_killed_trainings_end_with_the_bytes_of_undisturbed_ones(
    device, noise, tmp_path, family, switches
):
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    calm.mkdir()
    killed.mkdir()
    undisturbed = started(noise, calm, family, device, *switches)
    draw, kills = random.Random(family), 0
    while kills < KILLS:
        before = checkpoints(killed)
        process = started(noise, killed, family, device, *switches)
        while process.poll() is None and not checkpoints(killed) - before:
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 0.3))
        if process.poll() is not None:
            break
        process.kill()
        process.wait()
        kills += 1
    assert kills > 0
    assert started(noise, killed, family, device, *switches).wait() == 0
    assert undisturbed.wait() == 0
    calm_result, killed_result = (
        json.loads((folder / "result.json").read_text()) for folder in (calm, killed)
    )
    assert killed_result == calm_result
