"""The fused residual block computes what the plain modules compute."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from anyslice.networks import build
from anyslice.networks.is_resnext import SparseBlock
from anyslice.networks.resnext import Block
from anyslice.training.loss import joint_backward
from anyslice_kernels import residual_block as fused

BATCH, SIDE = 3, 5


def block_and_images(kind: str, W: int, B: int, C: int, K: int, seed: int):
    torch.manual_seed(seed)
    block: nn.Module = (
        SparseBlock(W, B, C, K) if kind == "sparse" else Block(W, B, C, K, batch_norm=kind)
    )
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=0.7)
    images = torch.randn(BATCH, W, SIDE, SIDE, dtype=torch.float64)
    return block.double(), images.to(memory_format=torch.channels_last).requires_grad_()


def train_once(block: nn.Module, x: torch.Tensor, arguments: tuple[int, ...]):
    """Output, gradients and running statistics of one training pass."""
    y = block(x, *arguments)
    gradients = torch.autograd.grad(
        (y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)).sum(),
        [x, *block.parameters()],
        allow_unused=True,
    )
    return [y, *(g for g in gradients if g is not None), *block.buffers()]


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(
    kind=st.sampled_from(["independent", "shared", "sparse"]),
    vectors=st.integers(1, 2),
    B=st.sampled_from(fused.GROUP_WIDTHS),
    per_subnetwork=st.integers(1, 3),
    K=st.integers(1, 3),
    seed=st.integers(0, 100),
    data=st.data(),
)
def test_it_equals_the_plain_modules(kind, vectors, B, per_subnetwork, K, seed, data):
    W = vectors * K * fused.LANES
    block, x = block_and_images(kind, W, B, per_subnetwork * K, K, seed)
    arguments = () if kind == "sparse" else (data.draw(st.integers(1, K), label="k"),)
    plain = train_once(copy.deepcopy(block), x, arguments)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fused, "SMALLEST", 0)
        assert fused.pays(x, B, training=True)
        in_one = train_once(block, x, arguments)
    assert len(plain) == len(in_one)
    for expected, found in zip(plain, in_one, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_its_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    width, narrow, groups = 32, 8, 2
    x = torch.randn(2, width, 3, 2, dtype=torch.float64).to(memory_format=torch.channels_last)
    shapes = [(narrow, width, 1, 1), (narrow, narrow // groups, 3, 3), (width, narrow, 1, 1)]
    weights = [torch.randn(shape, dtype=torch.float64) for shape in shapes]
    affine = [torch.randn(n, dtype=torch.float64) for n in (width,) * 2 + (narrow,) * 4]

    def block(x, w1, w2, w3, *affine):
        norms = [
            fused.Norm(a, b, torch.zeros_like(a), torch.ones_like(a), 0.1, 1e-5)
            for a, b in zip(affine[::2], affine[1::2], strict=True)
        ]
        convs = (fused.Conv(w1), fused.Conv(w2, groups=groups), fused.Conv(w3))
        return fused.residual_block(x, convs, tuple(norms))

    inputs = [tensor.requires_grad_() for tensor in (x, *weights, *affine)]
    assert torch.autograd.gradcheck(block, inputs, fast_mode=True)


@pytest.mark.parametrize(("W", "B"), [(24, 4), (32, 6), (32, 32)])
def test_widths_without_kernels_are_left_to_the_plain_modules(W, B, monkeypatch):
    monkeypatch.setattr(fused, "SMALLEST", 0)
    block, x = block_and_images("independent", W, B, C=2, K=2, seed=0)
    assert not fused.pays(x, B, training=True)
    assert block(x, 2).shape == x.shape


def test_without_numba_the_plain_modules_train(monkeypatch):
    block, x = block_and_images("independent", W=16, B=4, C=4, K=4, seed=0)
    monkeypatch.setattr(fused, "SMALLEST", 0)
    assert fused.pays(x, 4, training=True)
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert not fused.pays(x, 4, training=True)
    assert block(x, 4).shape == x.shape


SIZES = {"L": 3, "W": 16, "B": 4, "C": 4, "K": 4}


def trained(name: str, *, memory_format: torch.memory_format, steps: int):
    """Losses of all steps, then the weights, of a small network."""
    torch.manual_seed(0)
    network = build(name, classes=10, image_size=24, **SIZES).to(memory_format=memory_format)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    images = torch.randn(64, 3, 24, 24).to(memory_format=memory_format)
    labels = torch.randint(10, (64,))
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        losses.append(joint_backward(network, images, labels[None], "sum"))
        optimiser.step()
    return torch.stack(losses), network.state_dict()


@pytest.mark.parametrize("name", ["i-resnext", "is-resnext"])
def test_training_gives_the_losses_of_plain_training(name):
    """Plain: contiguous (NCHW) tensors, which the fused block leaves to the modules."""
    plain, _ = trained(name, memory_format=torch.contiguous_format, steps=2)
    tuned, _ = trained(name, memory_format=torch.channels_last, steps=2)
    torch.testing.assert_close(tuned, plain, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["i-resnext", "is-resnext"])
def test_the_same_seed_gives_the_same_bytes(name):
    first, weights = trained(name, memory_format=torch.channels_last, steps=2)
    second, again = trained(name, memory_format=torch.channels_last, steps=2)
    assert torch.equal(first, second)
    assert all(torch.equal(weights[key], again[key]) for key in weights)


def test_one_grey_channel_keeps_the_layout_that_it_needs():
    """A single channel fits both layouts, so the stem has to hand on the one meant."""
    network = build("i-resnext", classes=10, image_size=24, image_channels=1, **SIZES)
    network.to(memory_format=torch.channels_last)
    images = torch.randn(64, 24, 24, 1).permute(0, 3, 1, 2)
    assert fused.pays(network.stem(images), SIZES["B"], training=True)


def test_sub_features_above_k_change_no_bit_of_sub_network_k_in_training():
    torch.manual_seed(0)
    block = SparseBlock(W=16, B=4, C=4, K=4).to(memory_format=torch.channels_last)
    x = torch.randn(64, 16, 24, 24).to(memory_format=torch.channels_last)
    other = torch.cat([x[:, :8], torch.randn_like(x[:, 8:])], dim=1)
    other = other.contiguous(memory_format=torch.channels_last)
    assert fused.pays(x, 4, training=True)
    assert torch.equal(block(x)[:, :8], block(other)[:, :8])


@pytest.mark.parametrize("name", ["i-resnext", "is-resnext"])
def test_in_bfloat16_the_plain_modules_train(name, monkeypatch):
    monkeypatch.setattr(fused, "SMALLEST", 0)
    network = build(name, L=3, W=16, B=4, C=2, K=2, classes=10, image_size=8)
    network.to(memory_format=torch.channels_last).train()
    images = torch.randn(4, 3, 8, 8).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(images)
    assert all(of_one.dtype == torch.bfloat16 for of_one in logits)
    torch.stack(logits).float().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
