"""Networks that exit early: shallow ResNeXt (Section 4.1) and MSDNet (Section 4.2)."""

import pytest
import torch
from families import images, small, total

from anyslice.config.scale import load_scale
from anyslice.costs.macs import count
from anyslice.networks.msdnet import columns_of


def shapes(module):
    return sorted(tuple(value.shape) for value in module.state_dict().values())


# Shallow ResNeXt


def test_every_block_but_the_first_has_an_exit():
    assert small("shallow-resnext", L=9).K == 8


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_an_exit_alone_is_what_is_trained_alone(k):
    jointly, alone = small("shallow-resnext"), small("shallow-resnext", only=k)
    assert alone.K == 1
    assert shapes(jointly.subnetwork(k)) == shapes(alone.subnetwork(1))
    assert count(alone) == [count(jointly)[k - 1]]


def test_the_last_exit_is_the_whole_resnext():
    assert count(small("shallow-resnext"))[-1] == count(small("resnext", L=6))[0]


# MSDNet


@pytest.mark.parametrize("name", ["msdnet", "msdnet, original heads"])
def test_every_weight_serves_some_exit(name):
    network = small(name)
    torch.stack([total(logits) for logits in network(images(network))]).sum().backward()
    assert not [key for key, p in network.named_parameters() if p.grad is None]


def test_the_cifar_network_prunes_a_scale_after_each_third():
    columns, ends = columns_of(load_scale("paper").run("cifar10/msdnet").network)
    layers = [column.finest for column in columns if column.kind == "dense"]
    assert layers == [0] * 8 + [1] * 8 + [2] * 6
    transitions = [(c.in_width, c.out_width) for c in columns if c.kind == "transition"]
    assert transitions == [(16 + 9 * 6, 35), (35 + 8 * 6, 41)]
    exits_after = [sum(c.kind == "dense" for c in columns[: end + 1]) for end in ends]
    assert exits_after == [4, 6, 8, 10, 12, 14, 16, 18, 20, 22]
