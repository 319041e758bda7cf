"""Hyper-parameters that cannot work are refused with a sentence that says what would."""

import pytest
import torch
from families import NETWORKS, small

from anyslice.networks import build, initialise


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("i-resnext", {"C": 6}, r"key 'C': 6 branches must be a multiple of K=4"),
        ("is-resnext", {"C": 6}, r"key 'C': 6 branches must be a multiple of K=4"),
        ("is-resnext", {"W": 10}, r"width 10 must be a multiple of K=4"),
        ("i-resnext", {"L": 4}, r"key 'L': 4 must be a multiple of 3"),
        ("is-resnext", {"L": 1}, r"key 'L': 1 must be a multiple of 3"),
        ("i-resnext", {"L": 6, "image_size": 96}, r"key 'L': 6 must be a multiple of 4"),
        ("i-resnext", {"K": 0}, r"key 'K'.* greater than or equal to 1 \(found 0\)"),
        ("resnext", {"B": 0}, r"key 'B'.* greater than or equal to 1"),
        ("i-resnext", {"batch_norm": "both"}, r"key 'batch_norm': .*'independent' or 'shared'"),
        ("i-resnext", {"image_size": 3}, r"images of 3 pixels are too small"),
        ("is-resnext", {"image_size": 3}, r"images of 3 pixels are too small"),
        (
            "shallow-resnext",
            {"image_size": 2},
            r"images of 2 pixels are too small for 3 stages: at least 4",
        ),
        ("shallow-resnext", {"only": 6}, r"key 'only': 6: there are sub-networks 1 ... 5"),
        ("shallow-resnext", {"C": 0}, r"key 'C'.* greater than or equal to 1"),
        ("msdnet", {"image_size": 3}, r"images of 3 pixels are too small"),
        ("msdnet", {"growth": 3}, r"key 'growth': 3 must be even"),
        ("msdnet", {"K": 0}, r"key 'K'.* greater than or equal to 1"),
        ("msdnet", {"growth_factors": (1, 2)}, r"need one number for each scale"),
        ("msdnet", {"head": "two-layer"}, r"key 'head': .*'one-layer' or 'original'"),
        ("resnet", {"depth": 18}, r"key 'depth': 18 must be 6 n \+ 2: 8, 14, 20"),
        ("resnet", {"image_size": 3}, r"images of 3 pixels are too small"),
        ("densenet-bc", {"depth": 42}, r"key 'depth': 42 must be 6 n \+ 4: 10, 16, 22"),
        ("densenet-bc", {"growth": 1, "compression": 0.3}, r"leaves a transition without channels"),
        ("densenet-bc", {"compression": 0}, r"key 'compression'.* greater than 0"),
        ("densenet-bc", {"image_size": 3}, r"images of 3 pixels are too small"),
    ],
)
def test_what_cannot_work_is_refused(name, changes, message):
    with pytest.raises(ValueError, match=message):
        small(name, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arch": "resnet51"}, r"torchvision has no model 'resnet51': choose from .*resnet50"),
        ({"image_channels": 1}, r"image_channels=1: torchvision models take 3"),
        ({"classes": (10, 5)}, r"one level of labels"),
        ({"weights": "DEFAULT"}, r"classes=10: released weights are for the 1000 of ImageNet"),
    ],
)
def test_what_torchvision_does_not_have_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        build("torchvision", **{"arch": "resnet18", "classes": 10, "image_size": 64} | changes)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 1, 12, 12, dtype=torch.uint8), r"not torch.uint8: of pixels 0 ... 255"),
        (torch.zeros(2, 1, 12, 12, dtype=torch.int64), r"not torch.int64"),
        (torch.zeros(2, 3, 12, 12), r"takes images of 1 channels, not 3"),
        (torch.zeros(1, 12), r"must be a tensor \(N, 1, H, W\), not \(1, 12\)"),
    ],
)
def test_images_that_do_not_fit_are_named_by_networks_and_sub_networks(name, images, message):
    network = small(name).eval()
    for takes_images in (network, network.subnetwork(1)):
        with pytest.raises(ValueError, match=message):
            takes_images(images)


def test_an_unknown_initialisation_is_refused():
    with pytest.raises(ValueError, match="no initialisation 'zeros': choose from msra-fan-in,"):
        initialise(small("resnext"), "zeros")
