"""I-ResNeXt's sub-networks in one pass against one pass after the other."""

import pytest
import torch

from anyslice.networks import build, side_by_side
from anyslice.training.loss import joint_backward
from anyslice_kernels import residual_block as fused


@pytest.fixture(autouse=True)
def kernels_at_any_size(monkeypatch):
    monkeypatch.setattr(fused, "SMALLEST", 0)


def network_and_batch(K: int, *, C: int | None = None, classes=10, batch_norm="independent", dtype):
    torch.manual_seed(0)
    sizes = {"L": 3, "W": 16, "B": 4, "C": C or K, "K": K, "batch_norm": batch_norm}
    network = build("i-resnext", classes=classes, image_size=12, **sizes)
    network.to(dtype).to(memory_format=torch.channels_last).train()
    for norm in network.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(norm.weight)
            torch.nn.init.normal_(norm.bias)
    images = torch.randn(5, 3, 12, 12, dtype=dtype).to(memory_format=torch.channels_last)
    levels = 1 if isinstance(classes, int) else len(classes)
    return network, images, torch.randint(2, (levels, 5))


def step_of(network, images, labels):
    """Losses, gradients and running statistics."""
    losses = joint_backward(network, images, labels, "sum")
    gradients = [parameter.grad for parameter in network.parameters()]
    return [losses, *gradients, *network.buffers()]


@pytest.mark.parametrize(
    ("K", "C", "classes"), [(2, 2, 10), (3, 6, 10), (4, 4, (5, 2)), (8, 8, 10)]
)
def test_losses_and_gradients_are_those_of_plain_passes(K, C, classes):
    network, images, labels = network_and_batch(K, C=C, classes=classes, dtype=torch.float64)
    assert side_by_side.pays(network, network.stem(images))
    together = step_of(network, images, labels)
    network, images, labels = network_and_batch(K, C=C, classes=classes, dtype=torch.float64)
    plain = step_of(network.to(memory_format=torch.contiguous_format), images.contiguous(), labels)
    for found, expected in zip(together, plain, strict=True):
        scale = max(1, expected.abs().max().item())
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12 * scale)


def block_by_threads(threads: int) -> list[torch.Tensor]:
    """Output, gradients and statistics of one block, all sub-networks side by side."""
    network, _, _ = network_and_batch(4, dtype=torch.float32)
    block = network.blocks()[0][0]
    x = torch.randn(20, 64, 12, 12, generator=torch.Generator().manual_seed(1))
    x = x.to(memory_format=torch.channels_last).requires_grad_()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    y = side_by_side._block(block, x, side_by_side._order(4))
    gradients = torch.autograd.grad(y.square().sum(), [x, *block.parameters()])
    torch.set_num_threads(before)
    return [y, *gradients, *block.buffers()]


def test_threads_change_no_bit():
    one = block_by_threads(1)
    assert all(map(torch.equal, one, block_by_threads(2)))
    assert all(map(torch.equal, one, block_by_threads(3)))


def test_a_shared_bn_sees_one_pass_after_the_other():
    network, images, _ = network_and_batch(2, batch_norm="shared", dtype=torch.float32)
    assert not side_by_side.pays(network, network.stem(images))


def test_large_features_take_the_memory_of_one_pass(monkeypatch):
    network, images, _ = network_and_batch(2, dtype=torch.float32)
    x = network.stem(images)
    assert side_by_side.pays(network, x)
    monkeypatch.setattr(side_by_side, "LARGEST", 2 * x.numel() - 1)
    assert not side_by_side.pays(network, x)


@pytest.mark.parametrize("K", range(1, 9))
def test_every_sub_network_is_computed_once(K):
    assert sorted(side_by_side._order(K)) == list(range(1, K + 1))
