"""Training speed of every network at its CIFAR size, in ratios to what this machine can do.

    python benchmarks/cpu.py i-resnext --threads 1 --output results/bench.json

Times are medians over rounds. What is compared (a network, a single ResNeXt of its size, the
machine's matrix product, the network trained plainly) takes turns within a round, and a ratio is
the median of the rounds' ratios, so that load from other users affects both sides of a ratio.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import click
import torch
from torch import Tensor

from anyslice.config.scale import Recipe, load_scale
from anyslice.costs.machine import this_machine
from anyslice.costs.macs import forward_macs
from anyslice.costs.steps import random_step, take_turns
from anyslice.files import write_json
from anyslice.memory import keep_freed_memory
from anyslice.networks import AnytimeNetwork, build
from anyslice.training.options import Options

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


def size_of(name: str, scale: str) -> tuple[str, dict[str, Any]]:
    """The network and the hyper-parameters to time: of CIFAR_SIZES, or of a run of a scale."""
    if "/" in name:
        letters = asdict(load_scale(scale).run(name).network)
        return letters.pop("name"), letters
    if name not in CIFAR_SIZES:
        raise click.UsageError(
            f"no network {name!r} to time: choose from {', '.join(CIFAR_SIZES)}, or name a run of "
            "the scale as <dataset>/<run>"
        )
    return CIFAR_SIZES[name]


@click.command()
@click.argument("networks", nargs=-1)
@click.option("--scale", default="quick", help="Of runs that are named as <dataset>/<run>.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("results/bench.json"))
@click.option("--rounds", default=5, help="How often each step is timed; medians count.")
@click.option("--threads", type=int, help="CPU threads.  [default: all cores]")
def main(
    networks: tuple[str, ...], scale: str, output: Path, rounds: int, threads: int | None
) -> None:
    """Time training steps of NETWORKS (default: the paper's) at their CIFAR sizes."""
    sizes = {name: size_of(name, scale) for name in networks or CIFAR_SIZES}
    if threads:
        torch.set_num_threads(threads)
    keep_freed_memory()
    speeds = {}
    click.echo(this_machine())
    click.echo(HEADER)
    for name, size in sizes.items():
        speeds[name] = measure(*size, rounds)
        click.echo(as_line(name, speeds[name]))
    write_json(output, as_json(speeds))


if __name__ == "__main__":
    main()
