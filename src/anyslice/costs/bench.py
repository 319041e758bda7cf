"""Training speed of every network at its CIFAR size, in ratios to what this machine can do.

Times are medians over rounds. What is compared (a network, a single ResNeXt of its size, the
machine's matrix product, the network trained plainly) takes turns within a round, and a ratio is
the median of the rounds' ratios, so that load from other users affects both sides of a ratio.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor

from anyslice.config.scale import Recipe
from anyslice.costs.machine import this_machine
from anyslice.costs.macs import forward_macs
from anyslice.networks import AnytimeNetwork, build
from anyslice.training.distributed import Processes
from anyslice.training.loop import make_optimiser
from anyslice.training.options import Options
from anyslice.training.step import make_step

BATCH = 64
CLASSES = 10
IMAGE_SIZE = 32
MATRIX = 2048

RECIPE = Recipe(
    epochs=1,
    batch_size=BATCH,
    learning_rate=1e-3,
    milestones=(),
    gamma=0.1,
    momentum=0.9,
    nesterov=True,
    weight_decay=1e-4,
    initialisation="pytorch",
    padding="black",
    large_images="resize-range",
    flip=True,
    loss="sum",
    selection="last",
)
"""The recipe of what is timed; a step takes its optimiser and its loss from it."""

_MSDNET: dict[str, Any] = {"K": 10, "base": 4, "step": 2, "channels": 16, "growth": 6}
_MSDNET |= {"growth_factors": [1, 2, 4], "bottleneck_factors": [1, 2, 4]}

CIFAR_SIZES: dict[str, tuple[str, dict[str, Any]]] = {
    "i-resnext": ("i-resnext", {"L": 21, "W": 64, "B": 4, "C": 8, "K": 8}),
    "i-resnext-small": ("i-resnext", {"L": 9, "W": 64, "B": 4, "C": 8, "K": 8}),
    "is-resnext": ("is-resnext", {"L": 15, "W": 96, "B": 4, "C": 12, "K": 6}),
    "shallow-resnext": ("shallow-resnext", {"L": 9, "W": 64, "B": 4, "C": 8}),
    "msdnet": ("msdnet", _MSDNET),
    "msdnet-original": ("msdnet", _MSDNET | {"head": "original"}),
    "resnext": ("resnext", {"L": 21, "W": 64, "B": 4, "C": 8}),
    "resnet-110": ("resnet", {"depth": 110}),
    "densenet-bc-100": ("densenet-bc", {"depth": 100, "growth": 12}),
}
"""What is timed: a key of the results, the network and its hyper-parameters. MSDNet has the paper's
one-layer heads, or the original ones."""


@dataclass(frozen=True)
class Speed:
    """How fast one network trains; a step is K sub-networks forward and back, and SGD.

    Attributes:
        network: its name for `networks.build`.
        hyperparameters: in the paper's letters.
        forward_macs: multiply-adds of all K sub-networks for one image, what they share once.
        seconds_per_step: median.
        images_per_second: BATCH / seconds_per_step.
        gmacs_per_second: 3 forward_macs BATCH / seconds_per_step / 10^9. A backward pass counts
            as two forward ones: one product for the inputs' gradients, one for the weights'.
        matmul_share: gmacs_per_second as a share of the matrix product's in the same rounds.
        steps_of_single: time of a step as a multiple of that of a single ResNeXt of the same
            L, W, B and C; None if the network has no such letters.
        plain_over_tuned: time of a step of the same network trained plainly (NCHW, no fused
            blocks), as a multiple of this one's.
        loss_difference: largest relative difference between the K losses of those two, at the
            same weights and images.
    """

    network: str
    hyperparameters: dict[str, Any]
    forward_macs: int
    seconds_per_step: float
    images_per_second: float
    gmacs_per_second: float
    matmul_share: float
    steps_of_single: float | None
    plain_over_tuned: float
    loss_difference: float


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
    side = network.image_size
    images = torch.randn(batch, network.image_channels, side, side, device=device)
    images = images.contiguous(memory_format=memory_format)
    counts = (network.classes,) if isinstance(network.classes, int) else network.classes
    labels = torch.stack([torch.randint(count, (batch,), device=device) for count in counts])
    return lambda: step(images, labels)


def network_at_cifar_size(name: str, hyperparameters: Mapping[str, Any]) -> AnytimeNetwork:
    """A network of CLASSES classes for images of CIFAR's size, its weights always the same."""
    torch.manual_seed(0)
    return build(name, classes=CLASSES, image_size=IMAGE_SIZE, **hyperparameters)


def new_step(
    name: str,
    hyperparameters: Mapping[str, Any],
    memory_format: torch.memory_format = torch.channels_last,
    device: torch.device = torch.device("cpu"),  # noqa: B008
    options: Options = Options(),  # noqa: B008
) -> Callable[[], Tensor]:
    """The `random_step` of such a network, the same weights and images in every memory format."""
    network = network_at_cifar_size(name, hyperparameters)
    return random_step(network, RECIPE, BATCH, device, options, memory_format)


def measure(name: str, hyperparameters: Mapping[str, Any], rounds: int) -> Speed:
    """The speed of a network: after a first round that does not count, `rounds` that do."""
    tuned = new_step(name, hyperparameters)
    plain = new_step(name, hyperparameters, torch.contiguous_format)
    macs = forward_macs(network_at_cifar_size(name, hyperparameters))
    losses, reference = tuned(), plain()

    actions: dict[str, Callable[[], object]] = {"tuned": tuned}
    single = {letter: hyperparameters[letter] for letter in "LWBC" if letter in hyperparameters}
    if len(single) == len("LWBC"):
        actions["single"] = new_step("resnext", single)
        actions["single"]()
    left, right = torch.randn(MATRIX, MATRIX), torch.randn(MATRIX, MATRIX)
    actions |= {"matmul": lambda: torch.mm(left, right), "plain": plain}
    seconds = take_turns(actions, rounds)

    step = median(seconds["tuned"])
    macs_of_step = 3 * macs * BATCH
    return Speed(
        network=name,
        hyperparameters=dict(hyperparameters),
        forward_macs=macs,
        seconds_per_step=step,
        images_per_second=BATCH / step,
        gmacs_per_second=macs_of_step / step / 1e9,
        matmul_share=ratio(seconds["matmul"], seconds["tuned"]) * macs_of_step / MATRIX**3,
        steps_of_single=ratio(seconds["tuned"], seconds["single"]) if "single" in seconds else None,
        plain_over_tuned=ratio(seconds["plain"], seconds["tuned"]),
        loss_difference=float(((losses - reference) / reference).abs().max()),
    )


def take_turns(
    actions: Mapping[str, Callable[[], object]], rounds: int, *, warm: bool = False
) -> dict[str, list[float]]:
    """Seconds of each action, all of them once in every round.

    Args:
        actions: by name, in the order of their turns.
        rounds: how often each is timed.
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


def ratio(seconds: Sequence[float], others: Sequence[float]) -> float:
    """The median over rounds of what one action took, relative to another in the same round."""
    return median(one / other for one, other in zip(seconds, others, strict=True))


def as_json(speeds: Mapping[str, Speed]) -> dict[str, Any]:
    """What results/bench.json holds."""
    return {
        "machine": asdict(this_machine()),
        "batch": BATCH,
        "image": [3, IMAGE_SIZE, IMAGE_SIZE],
        "training_macs": "3 x forward_macs an image",
        "networks": {name: asdict(speed) for name, speed in speeds.items()},
    }


HEADER = "network           images/s  GMAC/s  of matmul  steps of single  plain / tuned"


def as_line(name: str, speed: Speed) -> str:
    """One line of the table below HEADER."""
    single = "-" if speed.steps_of_single is None else f"{speed.steps_of_single:.2f}"
    return (
        f"{name:16s}  {speed.images_per_second:8.1f}  {speed.gmacs_per_second:6.1f}"
        f"  {speed.matmul_share:9.1%}  {single:>15s}  {speed.plain_over_tuned:13.2f}"
    )
