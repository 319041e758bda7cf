"""Hyper-parameters that cannot work are refused with a sentence that says what would."""

import pytest
from families import small

from anyslice.networks import build, initialise


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("i-resnext", {"C": 6}, r"C=6 branches must be a multiple of K=4"),
        ("is-resnext", {"C": 6}, r"C=6 branches must be a multiple of K=4"),
        ("is-resnext", {"W": 10}, r"width W=10 must be a multiple of K=4"),
        ("i-resnext", {"L": 4}, r"L=4 blocks must be a multiple of 3 scales"),
        ("is-resnext", {"L": 1}, r"L=1 blocks must be a multiple of 3 scales"),
        ("i-resnext", {"L": 6, "image_size": 96}, r"L=6 blocks must be a multiple of 4 scales"),
        ("i-resnext", {"K": 0}, r"L, W, B, C and K must be at least 1"),
        ("resnext", {"B": 0}, r"at least 1"),
        ("i-resnext", {"batch_norm": "both"}, r"'both': choose independent or shared"),
        ("i-resnext", {"image_size": 3}, r"image_size=3 is too small for 3 scales: at least 4"),
        ("is-resnext", {"image_size": 3}, r"image_size=3 is too small for 3 scales: at least 4"),
        ("shallow-resnext", {"image_size": 2}, r"image_size=2 is too small .* at least 4"),
        ("shallow-resnext", {"only": 6}, r"only=6: there are sub-networks 1 ... 5"),
        ("shallow-resnext", {"C": 0}, r"at least 1"),
        ("msdnet", {"image_size": 3}, r"image_size=3 is too small for 3 scales: at least 4"),
        ("msdnet", {"growth": 3}, r"growth=3 must be even"),
        ("msdnet", {"K": 0}, r"K, base and step must be at least 1"),
        ("msdnet", {"growth_factors": (1, 2)}, r"need one number for each scale"),
        ("msdnet", {"reduction": 1.5}, r"reduction=1.5 must be in 0 ... 1"),
        ("msdnet", {"prune": "some"}, r"'some': choose max or min"),
        ("msdnet", {"step_mode": "odd"}, r"'odd': choose even or growing"),
        ("msdnet", {"head": "two-layer"}, r"'two-layer': choose one-layer or original"),
        ("resnet", {"depth": 18}, r"depth=18 must be 6 n \+ 2: 8, 14, 20"),
        ("resnet", {"image_size": 3}, r"image_size=3 is too small for 3 scales: at least 4"),
        ("densenet-bc", {"depth": 42}, r"depth=42 must be 6 n \+ 4: 10, 16, 22"),
        ("densenet-bc", {"compression": 0}, r"compression=0 must be"),
        ("densenet-bc", {"image_size": 3}, r"image_size=3 is too small for 3 scales: at least 4"),
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


def test_an_unknown_initialisation_is_refused():
    with pytest.raises(ValueError, match="no initialisation 'zeros': choose msra or pytorch"):
        initialise(small("resnext"), "zeros")
