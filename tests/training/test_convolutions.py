"""The ways that convolutions take on a GPU change no number, whatever the network."""

import pytest
import torch
from torch.nn import functional as F

from anyslice.networks import build
from anyslice.training import convolutions
from anyslice.training.convolutions import FastConvolutions, ungrouped
from anyslice.training.loss import joint_backward

CASES = {
    "1x1": ((6, 8, 1, 1), {}),
    "1x1 with a bias": ((6, 8, 1, 1), {"bias": True}),
    "1x1 in groups": ((6, 4, 1, 1), {"groups": 2}),
    "1x1 of stride 2": ((6, 8, 1, 1), {"stride": 2}),
    "1x1 with padding": ((6, 8, 1, 1), {"padding": 1}),
    "3x3": ((6, 8, 3, 3), {"padding": 1}),
    "3x3 in groups": ((8, 2, 3, 3), {"padding": 1, "groups": 4}),
    "3x3 in groups of stride 2": ((8, 2, 3, 3), {"padding": (1, 1), "stride": (2, 2), "groups": 4}),
}


@pytest.mark.parametrize(("shape", "options"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("widest", [convolutions.WIDEST, 4])
def test_a_convolution_and_its_gradients_are_as_before(shape, options, widest, monkeypatch):
    monkeypatch.setattr(convolutions, "WIDEST", widest)
    torch.manual_seed(0)
    options = dict(options)
    x = torch.randn(2, 8, 5, 7, dtype=torch.double).to(memory_format=torch.channels_last)
    weight = torch.randn(shape, dtype=torch.double)
    bias = torch.randn(shape[0], dtype=torch.double) if options.pop("bias", False) else None
    inputs = [t.requires_grad_() for t in (x, weight, bias) if t is not None]

    def outcome():
        out = F.conv2d(x, weight, bias, **options)
        return out, *torch.autograd.grad(
            (out * torch.arange(out.numel()).view_as(out)).sum(), inputs
        )

    expected = outcome()
    with FastConvolutions():
        found = outcome()
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_an_ungrouped_weight_is_zero_between_groups():
    weight = torch.ones(4, 2, 3, 3)
    whole = ungrouped(weight, groups=2)
    assert whole.shape == (4, 4, 3, 3)
    assert whole[:2, :2].eq(1).all()
    assert whole[2:, 2:].eq(1).all()
    assert whole[:2, 2:].eq(0).all()
    assert whole[2:, :2].eq(0).all()


@pytest.mark.parametrize(
    ("name", "hyperparameters"),
    [
        ("i-resnext", {"L": 3, "W": 8, "B": 2, "C": 4, "K": 2}),
        ("is-resnext", {"L": 3, "W": 8, "B": 2, "C": 4, "K": 2}),
        ("densenet-bc", {"depth": 10, "growth": 4}),
    ],
)
def test_the_joint_gradient_is_as_before(name, hyperparameters):
    torch.manual_seed(0)
    network = build(name, classes=5, image_size=12, **hyperparameters).double()
    images = torch.randn(4, 3, 12, 12, dtype=torch.double)
    labels = torch.tensor([[0, 1, 2, 3]])
    joint_backward(network, images, labels, "sum")
    expected = [p.grad.clone() for p in network.parameters()]
    network.zero_grad()
    with FastConvolutions():
        joint_backward(network, images, labels, "sum")
    for parameter, gradient in zip(network.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)
