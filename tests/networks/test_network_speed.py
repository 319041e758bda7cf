"""Training on a CPU against the same networks built plainly: the numbers, and the speed."""

import copy
import time
from statistics import median

import pytest
import torch
from families import small, total
from torch.nn import functional as F

from anyslice.memory import keep_freed_memory
from anyslice.networks import build
from anyslice.networks.grid import IMAGE, DenseCell
from anyslice.networks.heads import Head
from anyslice.networks.msdnet import OriginalHead
from anyslice.networks.stem import downscale
from anyslice_kernels import norm_relu as fused

MSDNET = {"K": 10, "base": 4, "step": 2, "channels": 16, "growth": 6}
MSDNET |= {"growth_factors": (1, 2, 4), "bottleneck_factors": (1, 2, 4)}

CIFAR_SIZES = {
    "msdnet": ("msdnet", MSDNET, 1.3),
    "msdnet, original heads": ("msdnet", MSDNET | {"head": "original"}, 1.3),
    "shallow-resnext": ("shallow-resnext", {"L": 9, "W": 64, "B": 4, "C": 8}, 1.0),
    "resnet": ("resnet", {"depth": 56}, 1.0),
    "densenet-bc": ("densenet-bc", {"depth": 40, "growth": 12}, 1.0),
}
"""The networks of the paper's size, and how many times as fast as plain they are at least."""


# The plain networks: modules of PyTorch in NCHW, one after the other


def plain_norm_relu(x, bn):
    return F.relu(bn(x))


def plain_head(head, x):
    if isinstance(head, OriginalHead):
        for conv, bn, _ in head.convs:
            x = plain_norm_relu(conv(x), bn)
    elif isinstance(head, Head):
        x = plain_norm_relu(x, head.bn)
    return head.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


def plain_resnet(network, x):
    x = plain_norm_relu(network.conv(x), network.bn)
    for block in network.blocks:
        y = block.bn2(block.conv2(plain_norm_relu(block.conv1(x), block.bn1)))
        x = F.relu(block.shortcut(x) + y)
    return [plain_head(network.head, x)]


def plain_densenet(network, x):
    x = network.conv(x)
    for layer in network.layers:
        if hasattr(layer, "conv1"):
            y = layer.conv1(plain_norm_relu(x, layer.norm1))
            x = torch.cat([x, layer.conv2(plain_norm_relu(y, layer.norm2))], dim=1)
        else:
            bn, _, conv, _ = layer
            x = F.avg_pool2d(conv(plain_norm_relu(x, bn)), 2)
    return [plain_head(network.head, x)]


def plain_shallow(network, x):
    x, exits = network.stem.conv(x), []
    for segment, head in zip(network.segments, network.heads, strict=True):
        for block, width in zip(segment.blocks, segment.begins_stage, strict=True):
            x = downscale(x, width) if width else x
            y = block.conv1(plain_norm_relu(x, block.norm1.of(1)))
            y = block.conv2(plain_norm_relu(y, block.norm2.of(1)))
            x = x + block.conv3(plain_norm_relu(y, block.norm3.of(1)))
        exits.append(plain_head(head, x))
    return exits


def plain_layers(layers, x):
    """Convolution, BN and ReLU, once or several times."""
    if isinstance(layers[0], torch.nn.Conv2d):
        return plain_norm_relu(layers[0](x), layers[1])
    for layer in layers:
        x = plain_layers(layer, x)
    return x


def plain_msdnet(network, images):
    features = {IMAGE: images}
    for cell, sources in network.grid.sources.items():
        module, x = network.grid.cells[f"{cell.column}-{cell.scale}"], features[sources[0]]
        if isinstance(module, DenseCell):
            finer = [plain_layers(module.down, features[source]) for source in sources[1:]]
            features[cell] = torch.cat([x, *finer, plain_layers(module.same, x)], dim=1)
        else:
            features[cell] = plain_layers(module, x)
    exits = zip(network.exit_cells, network.heads, strict=True)
    return [plain_head(head, features[cell]) for cell, head in exits]


PLAIN = {
    "MSDNet": plain_msdnet,
    "ResNet": plain_resnet,
    "DenseNetBC": plain_densenet,
    "ShallowResNeXt": plain_shallow,
}


def plainly(network, images):
    return PLAIN[type(network).__name__](network, images)


# The numbers


NAMES = ["msdnet", "msdnet, original heads"]
NAMES += ["shallow-resnext", "resnet", "densenet-bc"]


def trained_once(name, dtype, layout, forward):
    """Logits, gradients and BN statistics of one pass in training mode."""
    network = small(name, image_channels=3).to(dtype).to(memory_format=layout).train()
    images = torch.randn(16, 3, 12, 12, generator=torch.Generator().manual_seed(3))
    logits = forward(network, images.to(dtype).to(memory_format=layout))
    torch.stack([total(of_one) for of_one in logits]).sum().backward()
    gradients = [parameter.grad for parameter in network.parameters()]
    statistics = [b for key, b in network.named_buffers() if "running" in key]
    return logits, gradients, statistics


def as_built(network, images):
    return network(images)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_training_gives_the_numbers_of_the_plain_network(name, monkeypatch):
    monkeypatch.setattr(fused, "SMALLEST", 0)
    plain = trained_once(name, torch.float64, torch.contiguous_format, plainly)
    tuned = trained_once(name, torch.float64, torch.channels_last, as_built)
    for ours, theirs in zip(tuned, plain, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_in_float32_it_is_as_exact_as_the_plain_network(name, monkeypatch):
    monkeypatch.setattr(fused, "SMALLEST", 0)
    exact = trained_once(name, torch.float64, torch.contiguous_format, plainly)
    plain = trained_once(name, torch.float32, torch.contiguous_format, plainly)
    tuned = trained_once(name, torch.float32, torch.channels_last, as_built)
    torch.testing.assert_close(tuned[0], plain[0], rtol=1e-5, atol=1e-5)
    ours, theirs, truth = (
        torch.cat([g.flatten().double() for g in gradients])
        for _, gradients, _ in (tuned, plain, exact)
    )
    assert (ours - truth).norm() <= 3 * (theirs - truth).norm() + 1e-5 * truth.norm()


# The speed


def step_of(network, forward, images):
    labels = torch.randint(10, (len(images),))
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, fused=True)

    def step():
        optimiser.zero_grad()
        losses = [F.cross_entropy(logits, labels) for logits in forward(network, images)]
        torch.stack(losses).sum().backward()
        optimiser.step()

    return step


def seconds(action):
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


@pytest.mark.perf
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", CIFAR_SIZES)
def test_training_is_faster_than_plain(name, threads):
    """Both take turns, so that load from others affects both."""
    keep_freed_memory()
    torch.manual_seed(0)
    family, hyperparameters, at_least = CIFAR_SIZES[name]
    plain = build(family, classes=10, image_size=32, **hyperparameters).train()
    tuned = copy.deepcopy(plain).to(memory_format=torch.channels_last)
    images = torch.randn(64, 3, 32, 32)
    as_plain = step_of(plain, plainly, images)
    as_tuned = step_of(tuned, as_built, images.to(memory_format=torch.channels_last))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    seconds(as_plain), seconds(as_tuned)
    ratios = [seconds(as_plain) / seconds(as_tuned) for _ in range(7)]
    torch.set_num_threads(before)
    print(f"{name}, {threads} threads: {median(ratios):.2f} times as fast as plain")
    assert median(ratios) >= at_least
