"""Freed memory is used again instead of being faulted in anew, step after step."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource
import torch
from anyslice.config.scale import load_scale
from anyslice.costs.steps import random_step
from anyslice.memory import keep_freed_memory
from anyslice.networks import build
from anyslice.training.options import Options

# in NCHW it trains by the plain modules, which allocate most
if {keep}:
    assert keep_freed_memory()
torch.set_num_threads(1)
network = build("resnext", L=3, W=64, B=4, C=4, classes=10, image_size=32)
recipe, cpu = load_scale("quick").recipe, torch.device("cpu")
step = random_step(network, recipe, 64, cpu, Options(), torch.contiguous_format)
faults = []
for _ in range(8):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    step()
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(min(faults))
"""


def page_faults(*, keep: bool) -> int:
    """The fewest page faults of any step: the heap may still grow in one or another."""
    program = PROGRAM.format(keep=keep)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.perf
@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="it needs glibc's allocator: run it on Linux"
)
def test_training_steps_hardly_fault():
    assert page_faults(keep=True) < page_faults(keep=False) / 10
