"""A small network of every family, for tests that hold for all of them."""

from typing import Any

import torch
from torch import Tensor

from anyslice.networks import AnytimeNetwork, build
from anyslice.networks.heads import levels

RESNEXT: dict[str, Any] = {"L": 3, "W": 8, "B": 2, "C": 4}
MSDNET: dict[str, Any] = {
    "K": 3,
    "base": 2,
    "step": 1,
    "channels": 8,
    "growth": 4,
    "growth_factors": (1, 2, 4),
    "bottleneck_factors": (1, 2, 4),
}
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "resnext": ("resnext", RESNEXT),
    "i-resnext": ("i-resnext", RESNEXT | {"K": 4}),
    "i-resnext, shared BN": ("i-resnext", RESNEXT | {"K": 4, "batch_norm": "shared"}),
    "is-resnext": ("is-resnext", RESNEXT | {"K": 4}),
    "shallow-resnext": ("shallow-resnext", RESNEXT | {"L": 6}),
    "shallow-resnext, one alone": ("shallow-resnext", RESNEXT | {"only": 1}),
    "msdnet": ("msdnet", MSDNET),
    "msdnet, original heads": ("msdnet", MSDNET | {"head": "original"}),
    "resnet": ("resnet", {"depth": 14, "width": 4}),
    "densenet-bc": ("densenet-bc", {"depth": 16, "growth": 4}),
}
ANYTIME = [name for name in NETWORKS if name not in ("resnext", "resnet", "densenet-bc")]
INTERRUPTIBLE = [name for name in ANYTIME if not name.startswith("i-resnext")]


def small(name: str, *, classes: Any = 5, image_size: int = 12, **changes: Any) -> AnytimeNetwork:
    """A network of NETWORKS with weights that depend on nothing but its name."""
    family, hyperparameters = NETWORKS[name]
    torch.manual_seed(0)
    settings = {"image_size": image_size, "image_channels": 1} | hyperparameters | changes
    return build(family, classes=classes, **settings)


def images(network: AnytimeNetwork, count: int = 4, seed: int = 1) -> Tensor:
    """Random images that fit a network."""
    side = network.task.image_size
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, network.task.image_channels, side, side, generator=generator)


def trained_a_little(network: AnytimeNetwork) -> AnytimeNetwork:
    """The network in eval mode, its BN statistics and weights no longer those of the start."""
    for parameter in network.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    network.train()
    with torch.no_grad():
        network(images(network, count=16, seed=2))
    return network.eval()


def total(logits: Any) -> Tensor:
    """A loss that every logit of every level takes part in, each with another weight."""
    return torch.stack(
        [
            (level * torch.arange(1, 1 + level.numel()).view_as(level)).sin().mean()
            for level in levels(logits)
        ]
    ).sum()
