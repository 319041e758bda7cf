"""Some training steps of a network on a device, and everything they leave."""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from anyslice.config.scale import Recipe
from anyslice.networks import AnytimeNetwork, build
from anyslice.networks.heads import levels
from anyslice.networks.initialise import initialise
from anyslice.training.distributed import Processes
from anyslice.training.loop import make_optimiser
from anyslice.training.options import Options, make_deterministic
from anyslice.training.step import make_step

RESNEXT: dict[str, Any] = {"L": 3, "W": 16, "B": 4, "C": 4}
MSDNET: dict[str, Any] = {"K": 3, "base": 2, "step": 1, "channels": 8, "growth": 4}
MSDNET |= {"growth_factors": (1, 2, 4), "bottleneck_factors": (1, 2, 4)}
SMALL: dict[str, tuple[str, dict[str, Any]]] = {
    "resnext": ("resnext", RESNEXT),
    "i-resnext": ("i-resnext", RESNEXT | {"K": 4}),
    "i-resnext, shared BN": ("i-resnext", RESNEXT | {"K": 4, "batch_norm": "shared"}),
    "i-resnext, grey": ("i-resnext", RESNEXT | {"K": 4, "image_size": 28, "image_channels": 1}),
    "is-resnext": ("is-resnext", RESNEXT | {"K": 4}),
    "is-resnext, levels": ("is-resnext", RESNEXT | {"K": 4, "classes": (10, 3)}),
    "is-resnext, large": ("is-resnext", RESNEXT | {"L": 4, "K": 2, "image_size": 96}),
    "shallow-resnext": ("shallow-resnext", RESNEXT),
    "msdnet": ("msdnet", MSDNET),
    "msdnet, original heads": ("msdnet", MSDNET | {"head": "original"}),
    "msdnet, large": ("msdnet", MSDNET | {"image_size": 96}),
    "resnet": ("resnet", {"depth": 8}),
    "densenet-bc": ("densenet-bc", {"depth": 16, "growth": 8}),
}
CIFAR: dict[str, tuple[str, dict[str, Any]]] = {
    "i-resnext, CIFAR": ("i-resnext", {"L": 21, "W": 64, "B": 4, "C": 8, "K": 8}),
    "is-resnext, CIFAR": ("is-resnext", {"L": 15, "W": 96, "B": 4, "C": 12, "K": 6}),
    "shallow-resnext, CIFAR": ("shallow-resnext", {"L": 9, "W": 64, "B": 4, "C": 8}),
    "msdnet, CIFAR": (
        "msdnet",
        MSDNET | {"K": 10, "base": 4, "step": 2, "channels": 16, "growth": 6},
    ),
    "resnext, CIFAR": ("resnext", {"L": 21, "W": 64, "B": 4, "C": 8}),
    "resnet, CIFAR": ("resnet", {"depth": 110}),
    "densenet-bc, CIFAR": ("densenet-bc", {"depth": 100, "growth": 12}),
}
RECIPE = Recipe(
    epochs=2,
    batch_size=64,
    learning_rate=0.125,  # exact in float32 too, in which a GPU has it
    milestones=(0.5,),
    gamma=0.1,
    momentum=0.9,
    nesterov=True,
    weight_decay=1e-4,
    initialisation="msra-fan-in",
    padding="black",
    large_images="resize-range",
    flip=True,
    loss="sum",
    selection="best-full",
)
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Left:
    """What steps leave: lists of tensors on the CPU.

    Attributes:
        logits: in eval mode, before the first step.
        losses: (K,) of every step.
        gradients: of the first step.
        weights: after the last.
        statistics: BN's, likewise.
        momentum: likewise.
    """

    logits: list[Tensor]
    losses: list[Tensor]
    gradients: list[Tensor]
    weights: list[Tensor]
    statistics: list[Tensor]
    momentum: list[Tensor]


def network_of(name: str) -> AnytimeNetwork:
    """One of SMALL or CIFAR with the weights that a training begins with."""
    family, changes = (SMALL | CIFAR)[name]
    torch.manual_seed(0)
    network = build(family, **{"classes": 10, "image_size": 32} | changes)
    initialise(network, "msra-fan-in")
    return network


def batch_of(network: AnytimeNetwork, seed: int, count: int) -> tuple[Tensor, Tensor]:
    """Random images and labels (D, N)."""
    generator = torch.Generator().manual_seed(seed)
    task = network.task
    images = torch.randn(count, task.image_channels, *[task.image_size] * 2, generator=generator)
    classes = [task.classes] if isinstance(task.classes, int) else task.classes
    labels = [torch.randint(n, (count,), generator=generator) for n in classes]
    return images, torch.stack(labels)


def steps(
    network: AnytimeNetwork,
    device: torch.device,
    *,
    dtype: torch.dtype = torch.float32,
    options: Options = Options(cuda_graphs=False),  # noqa: B008
    count: int = 2,
    batch: int = 16,
) -> Left:
    """Train a copy of the network for some steps, as the loop does."""
    make_deterministic(1, options)
    network = copy.deepcopy(network).to(device=device, dtype=dtype)
    network = network.to(memory_format=torch.channels_last)
    batches = [batch_of(network, seed, batch) for seed in range(count)]
    on_device = [
        (x.to(device, dtype).contiguous(memory_format=torch.channels_last), y.to(device))
        for x, y in batches
    ]
    with torch.no_grad():
        outputs = network.eval()(on_device[0][0])
    logits = [level for out in outputs for level in levels(out)]
    network.train()
    optimiser = make_optimiser(network, RECIPE, device)
    step = make_step(network, optimiser, "sum", Processes(), options, device)
    losses, gradients = [], []
    for images, labels in on_device:
        losses.append(step(images, labels).clone())
        gradients = gradients or [p.grad.clone() for p in network.parameters()]
    lists = {
        "logits": logits,
        "losses": losses,
        "gradients": gradients,
        "weights": list(network.parameters()),
        "statistics": [b for b in network.buffers() if b.is_floating_point()],
        "momentum": [optimiser.state[p]["momentum_buffer"] for p in network.parameters()],
    }
    return Left(**{name: [t.detach().cpu() for t in tensors] for name, tensors in lists.items()})


def differences(found: Left, expected: Left) -> dict[str, float]:
    """Of each quantity, as one vector, |found - expected| / |expected|."""
    return {
        name: relative(getattr(found, name), getattr(expected, name)) for name in vars(expected)
    }


def relative(found: list[Tensor], expected: list[Tensor]) -> float:
    """The relative difference of lists of tensors, each as one vector; NaN equals nothing."""
    pairs = [(f.double(), e.double()) for f, e in zip(found, expected, strict=True)]
    top = sum(float((f - e).square().sum()) for f, e in pairs)
    bottom = sum(float(e.square().sum()) for _, e in pairs)
    return (top / max(bottom, 1e-300)) ** 0.5


def same_bytes(left: Left, right: Left) -> bool:
    """Whether every tensor is the same to the bit."""
    return all(
        torch.equal(a, b)
        for name in vars(left)
        for a, b in zip(getattr(left, name), getattr(right, name), strict=True)
    )
