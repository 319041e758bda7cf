"""Tests of training on a GPU; without one, the same tests on the CPU, where they find slips.

They need torch, numpy, safetensors, pydantic, pyyaml, filelock, psutil and pytest, but nothing of
the pipeline: `make gputest`, or on a bare machine `PYTHONPATH=src python3 -m pytest tests/gpu`.
"""

from pathlib import Path

import pytest
import torch
from noise import write_noise

from anyslice.training.options import Options, make_deterministic


@pytest.fixture(scope="session")
def device() -> torch.device:
    """What is tested."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.fixture(autouse=True)
def deterministic():
    """The settings of a training, in which repeatable bytes are promised."""
    before = torch.get_deterministic_debug_mode()
    make_deterministic(1, Options())
    yield
    torch.set_deterministic_debug_mode(before)


@pytest.fixture(scope="session")
def noise(tmp_path_factory) -> Path:
    """A prepared data set of noise with a signal."""
    return write_noise(tmp_path_factory.mktemp("noise"))
