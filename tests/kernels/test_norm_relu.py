"""BN and ReLU as one operation compute what the modules compute, at any width."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from anyslice.networks.norm import bn_relu
from anyslice_kernels import norm_relu as fused

WIDTHS = [3, 6, 16, 22, 71]
CHANNELS_LAST = torch.channels_last


def features(width, *, apart, side=4, images=256):
    """Channels_last features, or some channels of wider ones."""
    generator = torch.Generator().manual_seed(width)
    x = torch.randn(images, width + 5, side, side, dtype=torch.float64, generator=generator)
    x = x.to(memory_format=CHANNELS_LAST)
    return (
        x[:, 2 : width + 2]
        if apart
        else x[:, 2 : width + 2].contiguous(memory_format=CHANNELS_LAST)
    )


def layer(width):
    torch.manual_seed(width)
    bn = nn.BatchNorm2d(width).double()
    nn.init.normal_(bn.weight)
    nn.init.normal_(bn.bias)
    return bn


@pytest.mark.parametrize("images", [256, 3])
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_equals_the_modules(width, apart, images, monkeypatch):
    monkeypatch.setattr(fused, "SMALLEST", 0)
    x = features(width, apart=apart, images=images).requires_grad_()
    g, bn = features(width, apart=apart, images=images).sin(), layer(width)
    plain = copy.deepcopy(bn)
    assert fused.pays(x, training=True)
    results = []
    for of, y in ((bn, bn_relu(x, bn)), (plain, F.relu(plain(x)))):
        gradients = torch.autograd.grad(y, [x, of.weight, of.bias], g)
        results.append([y, *gradients, *of.buffers()])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_its_gradients_are_those_of_finite_differences():
    x, bn = features(6, apart=True, images=2), layer(6)

    def operation(x, weight, bias):
        norm = fused.Norm(weight, bias, bn.running_mean, bn.running_var, 0.1, 1e-5)
        return fused.norm_relu(x, norm)

    inputs = [t.detach().requires_grad_() for t in (x, bn.weight, bn.bias)]
    assert torch.autograd.gradcheck(operation, inputs, fast_mode=True)


def test_threads_change_no_bit():
    before, results = torch.get_num_threads(), []
    x = features(6, apart=False).float()
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        results.append(fused.norm_relu(x, fused.norm_of(layer(6).float())))
    torch.set_num_threads(before)
    assert all(torch.equal(results[0], other) for other in results[1:])


def test_what_is_not_a_number_stays_so():
    x = features(6, apart=False)
    x[0, 3, 1, 1] = torch.nan
    y = fused.norm_relu(x, fused.norm_of(layer(6)))
    assert y.isnan().amax(dim=(0, 2, 3)).nonzero().flatten().tolist() == [3]


def test_other_layouts_and_evaluation_are_left_to_the_modules(monkeypatch):
    monkeypatch.setattr(fused, "SMALLEST", 0)
    x = features(6, apart=False)
    assert fused.pays(x, training=True)
    assert not fused.pays(x, training=False)
    assert not fused.pays(x.contiguous(), training=True)
    assert not fused.pays(x.bfloat16(), training=True)
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert not fused.pays(x, training=True)
