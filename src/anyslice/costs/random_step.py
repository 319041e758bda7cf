"""A training step on random images, to be timed: no data, no augmentation, no evaluation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from anyslice.config.scale import Recipe
from anyslice.networks import AnytimeNetwork
from anyslice.training.distributed import Processes
from anyslice.training.loop import make_optimiser
from anyslice.training.options import Options
from anyslice.training.step import make_step


def random_step(
    network: AnytimeNetwork,
    recipe: Recipe,
    batch: int,
    device: torch.device,
    options: Options,
    memory_format: torch.memory_format = torch.channels_last,
) -> Callable[[], Tensor]:
    """What trains a network by one step, on the same images in every call; it gives the K losses.

    The network is moved to the device. Of the recipe, optimiser and loss count.
    """
    network = network.train().to(device).to(memory_format=memory_format)
    optimiser = make_optimiser(network, recipe, device)
    step = make_step(network, optimiser, recipe.loss, Processes(), options, device)
    side = network.image_size
    images = torch.randn(batch, network.image_channels, side, side, device=device)
    images = images.contiguous(memory_format=memory_format)
    counts = (network.classes,) if isinstance(network.classes, int) else network.classes
    labels = torch.stack([torch.randint(count, (batch,), device=device) for count in counts])
    return lambda: step(images, labels)
