"""Images of more than 64 pixels: 4 scales and the ImageNet stem (Appendix B)."""

import formula
import pytest
import torch
from families import images, small, trained_a_little
from test_interface import assert_same

from anyslice.config.families import LARGEST_SMALL_IMAGE
from anyslice.costs.macs import count
from anyslice.networks.stem import Stages

LARGE = {
    "i-resnext": {"L": 4},
    "is-resnext": {"L": 4},
    "shallow-resnext": {"L": 4},
    "msdnet": {"growth_factors": (1, 2, 4, 4), "bottleneck_factors": (1, 2, 4, 4)},
    "msdnet, original heads": {
        "growth_factors": (1, 2, 4, 4),
        "bottleneck_factors": (1, 2, 4, 4),
    },
}


@pytest.mark.parametrize("name", LARGE)
def test_a_subnetwork_of_a_large_image_network_gives_its_logits(name):
    network = trained_a_little(small(name, image_size=96, **LARGE[name]))
    x = images(network, count=2)
    for k, logits in enumerate(network(x), start=1):
        assert_same(network.subnetwork(k)(x), logits)


@pytest.mark.parametrize("name", ["i-resnext", "is-resnext"])
@pytest.mark.parametrize("image_size", [65, 96, 101])
def test_costs_follow_the_formula(name, image_size):
    network = small(name, image_size=image_size, **LARGE[name])
    for k, cost in enumerate(count(network), start=1):
        shape = formula.Shape(
            L=4, W=8, B=2, C=4, K=4, k=k, classes=(5,), image_size=image_size, image_channels=1,
            sparse=name == "is-resnext",
        )  # fmt: skip
        assert cost.macs == formula.macs(shape)
        assert cost.params == formula.parameters(shape)


def test_imagenet_features_have_the_sizes_of_appendix_b():
    network = small("is-resnext", W=16, image_size=224, L=4).eval()
    sizes = []
    for blocks in network.stages:
        blocks[0].register_forward_hook(lambda _, __, out: sizes.append(tuple(out.shape[1:])))
    with torch.no_grad():
        network(images(network, count=1))
    assert sizes == [(16, 56, 56), (32, 28, 28), (64, 14, 14), (64, 7, 7)]


def test_the_number_of_stages_follows_from_the_image():
    assert Stages.of(12, LARGEST_SMALL_IMAGE).factors == (1, 2, 4)
    assert Stages.of(12, LARGEST_SMALL_IMAGE + 1).factors == (1, 2, 4, 4)
