"""What autograd finds in the blocks is what Section 3.2 writes down."""

from math import ceil

import pytest
import torch
from torch import nn

from anyslice.figures.block_diagram import block_of
from anyslice.figures.connectivity import Edge, connectivity

C, K = 9, 3


@pytest.mark.parametrize("k", [1, 2, 3])
def test_i_resnext_connects_every_branch_to_all_of_x_and_y(k):
    found = block_of("i-resnext", k)
    branches = range(1, k * C // K + 1)
    assert found.groups == {"x": (6,), "a": (2,) * 3 * k, "b": (2,) * 3 * k, "y": (6,)}
    assert found.edges == (
        {Edge("xa", 1, i, 1) for i in branches}
        | {Edge("ab", i, i, 3) for i in branches}
        | {Edge("by", i, 1, 1) for i in branches}
        | {Edge("xy", 1, 1, 1)}
    )


@pytest.mark.parametrize("k", [1, 2, 3])
def test_is_resnext_connects_what_the_equations_say(k):
    """a_i depends on x_1 ... x_ceil(iK/C), y_j on b_((j-1)C/K+1) ... b_(jC/K), and on x_j."""
    found = block_of("is-resnext", k)
    branches, features = range(1, k * C // K + 1), range(1, k + 1)
    assert found.groups == {"x": (2,) * k, "a": (2,) * 3 * k, "b": (2,) * 3 * k, "y": (2,) * k}
    assert found.edges == (
        {Edge("xa", j, i, 1) for i in branches for j in range(1, ceil(i * K / C) + 1)}
        | {Edge("ab", i, i, 3) for i in branches}
        | {Edge("by", i, j, 1) for j in features for i in branches if ceil(i * K / C) == j}
        | {Edge("xy", j, j, 1) for j in features}
    )


def test_another_kind_of_block_is_refused():
    class NotResidual(nn.Module):
        def __init__(self):
            super().__init__()
            self.convs = nn.Sequential(*(nn.Conv2d(4, 4, 1) for _ in range(3)))

        def forward(self, x):
            return x * self.convs(x).flip(1)

    with pytest.raises(ValueError, match="no residual block"):
        connectivity(NotResidual().eval(), width=4)


def test_probing_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    block_of("is-resnext", 2)
    assert torch.equal(torch.get_rng_state(), before)
