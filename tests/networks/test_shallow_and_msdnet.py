"""Networks that exit early: shallow ResNeXt (Section 4.1) and MSDNet (Section 4.2)."""

import pytest
import torch
from families import MSDNET, images, small, total, trained_a_little
from test_interface import assert_same

from anyslice.costs.macs import count
from anyslice.networks.msdnet import Cell, columns_of


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


def test_lazy_evaluation_gives_the_same_logits_for_less():
    eager = trained_a_little(small("msdnet", base=4))
    lazy = small("msdnet, lazy", base=4).eval()
    lazy.load_state_dict(eager.state_dict())
    x = images(eager)
    for ours, theirs in zip(lazy.refine(x), eager(x), strict=True):
        assert_same(ours, theirs)
    costs = list(zip(count(lazy), count(eager), strict=True))
    assert costs[0][0].macs < costs[0][1].macs
    assert all(ours.macs <= theirs.macs for ours, theirs in costs)
    assert costs[-1][0] == costs[-1][1]


@pytest.mark.parametrize("name", ["msdnet", "msdnet, min", "msdnet, original heads"])
def test_every_weight_serves_some_exit(name):
    network = small(name)
    torch.stack([total(logits) for logits in network(images(network))]).sum().backward()
    assert not [key for key, p in network.named_parameters() if p.grad is None]


def test_the_cifar_network_prunes_a_scale_after_each_third():
    columns, ends = columns_of(
        [4] + [2] * 9, scales=3, channels=16, growth=6, prune="max", reduction=0.5
    )
    layers = [column.finest for column in columns if column.kind == "dense"]
    assert layers == [0] * 8 + [1] * 8 + [2] * 6
    transitions = [(c.in_width, c.out_width) for c in columns if c.kind == "transition"]
    assert transitions == [(16 + 9 * 6, 35), (35 + 8 * 6, 41)]
    exits_after = [sum(c.kind == "dense" for c in columns[: end + 1]) for end in ends]
    assert exits_after == [4, 6, 8, 10, 12, 14, 16, 18, 20, 22]


def test_scales_end_last_when_pruned_least():
    columns, _ = columns_of([2, 2, 2], scales=3, channels=8, growth=4, prune="min", reduction=0)
    assert [column.finest for column in columns] == [0, 0, 0, 0, 0, 1, 2]


def test_steps_grow():
    network = small("msdnet", step_mode="growing", K=4)
    dense = {"base": MSDNET["base"], "then": [2, 3, 4]}
    columns, ends = columns_of([2, 2, 3, 4], 3, channels=8, growth=4, prune="max", reduction=0.5)
    assert dense == {"base": 2, "then": [2, 3, 4]}
    assert network.exit_cells == [Cell(end, 2) for end in ends]
    assert len([c for c in columns if c.kind == "dense"]) == 11
