"""Whole trainings on a GPU, of image files: batches arrive while the first step is captured."""

from dataclasses import replace

import pytest
import torch
from noise import COUNTS, write_noise_files
from steps import RECIPE
from trained import FAMILIES

from anyslice.config.scale import Run
from anyslice.datasets import open_dataset
from anyslice.training.loop import Trained, train


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A prepared data set of image files."""
    return write_noise_files(tmp_path_factory.mktemp("files"))


def trained(folder, device, workers: int) -> Trained:
    run = Run(network=FAMILIES["is-resnext"], recipe=replace(RECIPE, epochs=1))
    return train(run, open_dataset(folder, workers=workers), 1, device=device)


@pytest.mark.slow
def test_image_files_are_trained_on_and_evaluated_as_often_as_asked(device, files):
    once, again = (trained(files, device, workers) for workers in (2, 0))
    assert once.test.labels.shape == (4, 1, COUNTS.test)
    assert once.history[0].train_losses == again.history[0].train_losses
    assert torch.equal(once.test.labels, again.test.labels)
    for key, tensor in once.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[key]), key
