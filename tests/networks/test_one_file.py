"""examples/one_file.py is the method: it trains as the package does."""

import importlib.util
from pathlib import Path

import pytest
import torch

from anyslice.networks import build
from anyslice.training.loss import joint_backward

FILE = Path(__file__).parents[2] / "examples/one_file.py"
SPEC = importlib.util.spec_from_file_location("one_file", FILE)
one_file = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(one_file)


@pytest.fixture
def networks():
    """That of the file, and the package's with its weights."""
    torch.manual_seed(0)
    mine = one_file.IResNeXt()
    package = build(
        "i-resnext", L=3, W=16, B=4, C=4, K=4, classes=10, image_size=16, image_channels=1
    )
    theirs = list(package.parameters())
    with torch.no_grad():
        for target, source in zip(theirs, mine.parameters(), strict=True):
            target.copy_(source)
    return mine, package


def optimiser_of(network):
    return torch.optim.SGD(
        network.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4
    )


def test_its_first_losses_are_those_of_the_package(networks):
    mine, package = networks
    images, labels = one_file.load("train")
    ours, theirs = (optimiser_of(network) for network in networks)
    for first in (0, 64, 128):
        batch = one_file.augment(images[first : first + 64])
        truth = labels[first : first + 64]
        losses = one_file.train_step(mine, ours, batch, truth)
        theirs.zero_grad()
        expected = joint_backward(package, batch, truth[None], "sum")
        theirs.step()
        assert losses == pytest.approx(expected.tolist(), rel=1e-4)


def test_its_augmentation_is_a_crop_or_the_mirror_image_of_one():
    image = torch.arange(16.0 * 16).view(1, 1, 16, 16)
    (found,) = one_file.augment(image)
    padded = torch.nn.functional.pad(image[0], (2, 2, 2, 2), value=-one_file.MEAN / one_file.STD)
    crops = [padded[:, t : t + 16, left : left + 16] for t in range(5) for left in range(5)]
    assert any(torch.equal(found, c) or torch.equal(found, c.flip(2)) for c in crops)
