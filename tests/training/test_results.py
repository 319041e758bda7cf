"""What a training keeps of its weights and predictions for the figures, in metrics.json."""

import pytest
import torch

from anyslice.config.families import IResNeXtParams, ISResNeXtParams
from anyslice.jobs.results import branch_norms, lost_later
from anyslice.networks import Task, make


def test_an_image_is_lost_if_any_larger_sub_network_has_it_wrong():
    right = torch.tensor([[1, 1, 1, 0], [1, 0, 1, 1], [1, 1, 0, 1]]).bool()
    assert lost_later(right) == [50, 25, 0]


@pytest.mark.parametrize("image_size", [32, 96])
def test_the_branches_of_every_block_are_measured_in_the_order_of_the_blocks(image_size):
    params = IResNeXtParams(name="i-resnext", L=12, W=8, B=2, C=4, K=2)
    network = make(params, Task(10, image_size))
    blocks = [block for stage in network.blocks() for block in stage]
    for number, block in enumerate(blocks, start=1):
        width = block.conv3.in_channels // 4
        branches = torch.arange(1.0, 5).repeat_interleave(width)[None, :, None, None]
        block.conv3.weight.data = number * branches.expand_as(block.conv3.weight).clone()
    norms = branch_norms(network.state_dict(), params)
    for number, (block, of_block) in enumerate(zip(blocks, norms, strict=True), start=1):
        unit = number * block.conv3.weight.shape[0] * block.conv3.in_channels / 4
        assert of_block == [unit, 2 * unit, 3 * unit, 4 * unit]


def test_networks_without_branches_side_by_side_have_none():
    params = ISResNeXtParams(name="is-resnext", L=3, W=8, B=2, C=4, K=2)
    network = make(params, Task(10, 32))
    assert branch_norms(network.state_dict(), params) == []
