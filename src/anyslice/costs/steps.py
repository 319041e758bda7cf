"""Training steps to be timed, and how they are timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

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

    The network is moved to the device. The recipe gives the optimiser and the loss.
    """
    network = network.train().to(device).to(memory_format=memory_format)
    optimiser = make_optimiser(network, recipe, device)
    step = make_step(network, optimiser, recipe.loss, Processes(), options, device)
    side = network.task.image_size
    images = torch.randn(batch, network.task.image_channels, side, side, device=device)
    images = images.contiguous(memory_format=memory_format)
    classes = network.task.classes
    counts = (classes,) if isinstance(classes, int) else classes
    labels = torch.stack([torch.randint(count, (batch,), device=device) for count in counts])
    return lambda: step(images, labels)


def take_turns(
    actions: Mapping[str, Callable[[], object]], rounds: int, *, warm: bool = False
) -> dict[str, list[float]]:
    """Seconds of each action, all of them once in every round.

    Args:
        actions: by name, in the order of their turns.
        warm: call each action once, not timed, before it is timed. Without that, the first short
            one after a long one finds the processor's caches full of other things.
    """
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            if warm:
                action()
            start = time.perf_counter()
            action()
            seconds[name].append(time.perf_counter() - start)
    return seconds
