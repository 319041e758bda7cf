"""MSRA initialisation (He et al., 2015): the spread of every convolution's weights."""

import math

import pytest
import torch
from families import NETWORKS, small
from torch import nn

from anyslice.networks import initialise
from anyslice.networks.is_resnext import PrefixConv


def convolutions(network):
    """Weights (out, in per group, h, w) of every convolution."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            yield module.weight
        if isinstance(module, PrefixConv):
            yield from module.parts


@pytest.mark.parametrize("name", NETWORKS)
def test_convolutions_have_the_spread_of_their_own_fan_in(name):
    network = small(name)
    initialise(network, "msra-fan-in")
    scaled = [
        weight.detach().flatten() * math.sqrt(weight[0].numel() / 2)
        for weight in convolutions(network)
    ]
    every = torch.cat(scaled)
    assert every.std().item() == pytest.approx(1, abs=0.05)
    for weights in scaled:
        count = weights.numel()
        assert abs(weights.std().item() - 1) < 5 / math.sqrt(2 * count)
        assert abs(weights.mean().item()) < 5 / math.sqrt(count)


def test_each_part_of_the_sparse_convolution_counts_its_own_inputs():
    network = small("is-resnext", W=64, B=16)
    initialise(network, "msra-fan-in")
    first = next(m for m in network.modules() if isinstance(m, PrefixConv))
    assert [part.shape[1] for part in first.parts] == [16, 32, 48, 64]
    for part in first.parts:
        assert part.std().item() == pytest.approx(math.sqrt(2 / part.shape[1]), rel=0.15)


def test_fan_out_counts_the_outputs_of_all_groups_as_the_authors_code_does():
    network = small("i-resnext", W=64, B=4, C=8, K=4, image_channels=3)
    initialise(network, "msra-fan-out")
    block = network.stages[0][0]
    spread = {conv: conv.weight.std().item() for conv in (network.stem.conv, block.conv2)}
    assert spread[network.stem.conv] == pytest.approx(math.sqrt(2 / (9 * 64)), rel=0.1)
    assert spread[block.conv2] == pytest.approx(math.sqrt(2 / (9 * 32)), rel=0.1)
    initialise(network, "msra-fan-in")
    assert network.stem.conv.weight.std().item() == pytest.approx(math.sqrt(2 / 27), rel=0.1)


def test_fan_out_of_the_sparse_convolution_counts_all_its_outputs():
    network = small("is-resnext", W=64, B=16)
    initialise(network, "msra-fan-out")
    first = next(m for m in network.modules() if isinstance(m, PrefixConv))
    for part in first.parts:
        assert part.std().item() == pytest.approx(math.sqrt(2 / 64), rel=0.15)


@pytest.mark.parametrize("name", NETWORKS)
def test_bn_starts_as_the_identity_and_biases_at_zero(name):
    network = small(name)
    for parameter in network.parameters():
        parameter.data.fill_(3)
    initialise(network, "msra-fan-in")
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert bool((module.weight == 1).all())
            assert not module.bias.any()
        if isinstance(module, nn.Linear):
            assert not module.bias.any()


@pytest.mark.parametrize("name", NETWORKS)
def test_every_draw_comes_from_the_seed(name):
    first, second = small(name), small(name)
    for network in (first, second):
        torch.manual_seed(3)
        initialise(network, "msra-fan-in")
    for ours, theirs in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_pytorch_leaves_the_network_as_it_was_built():
    network, untouched = small("is-resnext"), small("is-resnext")
    initialise(network, "pytorch")
    for ours, theirs in zip(network.parameters(), untouched.parameters(), strict=True):
        assert torch.equal(ours, theirs)
