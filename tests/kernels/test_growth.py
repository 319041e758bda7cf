"""Features that grow in place are those of concatenation, and so are all gradients."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from anyslice_kernels.growth import Grown

WIDTHS = (5, 4, 7)
"""Channels of the first features, and of those appended."""


class Layers(nn.Module):
    """Each kind of read and of write, on features that grow twice."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        first, second, third = WIDTHS
        self.inner = nn.Conv2d(first, second, 1, bias=False)
        self.wide = nn.Conv2d(first, 3, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(second)
        self.bn2 = nn.BatchNorm2d(first + second)
        self.last = nn.Conv2d(first + second, third, 3, padding=1, bias=False)
        for bn in (self.bn1, self.bn2):
            nn.init.normal_(bn.weight)
            nn.init.normal_(bn.bias)

    def forward(self, x):
        """What is read from the features of each size, by concatenation."""
        grown = torch.cat([x, F.relu(self.bn1(self.inner(x)))], dim=1)
        whole = torch.cat([grown, self.last(F.relu(self.bn2(grown)))], dim=1)
        return [self.wide(x), grown, whole]

    def grow(self, x):
        """The same in place."""
        start = Grown.begin(x, room=sum(WIDTHS))
        inner, wide = start.conv1x1([self.inner.weight, self.wide.weight])
        grown = start.append_norm_relu(inner, self.bn1)
        whole = grown.append(self.last(grown.norm_relu(self.bn2)))
        return [wide, grown.tensor(), whole.tensor()]


def features(dtype=torch.float64):
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(64, WIDTHS[0], 4, 4, dtype=dtype, generator=generator)
    return x.to(memory_format=torch.channels_last).requires_grad_()


def loss(outputs):
    """Of some or all outputs, each weighted otherwise."""
    return sum((i + 1) * out.sin().sum() for i, out in outputs)


def outcome(method, reads=(0, 1, 2), dtype=torch.float64):
    """Outputs, all gradients and all statistics of one step."""
    layers, x = Layers().to(dtype), features(dtype)
    outputs = getattr(layers, method)(x)
    inputs = [x, *layers.parameters()]
    gradients = torch.autograd.grad(loss((i, outputs[i]) for i in reads), inputs, allow_unused=True)
    gradients = [
        torch.zeros_like(i) if g is None else g for i, g in zip(inputs, gradients, strict=True)
    ]
    return [*outputs, *gradients, *layers.buffers()]


@pytest.mark.parametrize("reads", [(0, 1, 2), (0,), (1,), (2,), (0, 2)])
def test_they_equal_concatenation_whoever_reads_them(reads):
    for ours, theirs in zip(outcome("grow", reads), outcome("forward", reads), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_a_second_backward_gives_the_same_gradients():
    layers, x = Layers().double(), features()
    total = loss(enumerate(layers.grow(x)))
    first = torch.autograd.grad(total, [x, *layers.parameters()], retain_graph=True)
    again = torch.autograd.grad(total, [x, *layers.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_threads_change_no_bit():
    before, results = torch.get_num_threads(), []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        results.append(outcome("grow", dtype=torch.float32)[1])
    torch.set_num_threads(before)
    assert all(torch.equal(results[0], other) for other in results[1:])


def test_nothing_is_copied():
    start = Grown.begin(features(), room=sum(WIDTHS))
    longer = start.append(features())
    assert start.tensor().data_ptr() == longer.tensor().data_ptr()
