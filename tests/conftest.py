"""What several tests share."""

from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parent.parent


LONGEST = {"workflow", "gpu", "test_parallel.py"}
"""Folders and files whose tests take the longest together."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, so that no worker ends long after the other."""
    items.sort(key=lambda item: LONGEST.isdisjoint(item.path.parts))


@pytest.fixture(autouse=True)
def one_thread():
    """As in a training at the quick scale; and pytest itself runs a worker on each core."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT
