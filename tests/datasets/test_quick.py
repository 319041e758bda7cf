"""The embedded part of Fashion-MNIST, from its files to batches."""

import pytest
import torch

from anyslice.datasets import open_dataset
from anyslice.datasets.description import load_description
from anyslice.datasets.prepare import prepare

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def description(repository):
    return load_description("fashion-mnist-quick", repository / "params/datasets")


@pytest.fixture(scope="module")
def folder(repository, description, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "fashion-mnist-quick"
    prepare(description, folder, repository / "data/embedded/fashion-mnist")
    return folder


@pytest.fixture(scope="module")
def dataset(folder):
    return open_dataset(folder)


def epoch(dataset, **options):
    settings = {"seed": 1, "epoch": 1, "batch_size": 64, "device": CPU} | options
    return list(dataset.train_batches(**settings))
