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
    """What trains a network on a device by one step, on the same images in every call.

    Args:
        network: it is moved to the device and the memory format.
        recipe: the optimiser and the loss are its own.
        batch: how many images; their labels are of all levels of the network.
        device: where to train.
        options: how to execute a step.
        memory_format: of weights and images.

    Returns:
        A function that gives the K losses before the step.
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
