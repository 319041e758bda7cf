"""The one interface of all networks: K sub-networks that share their parameters.

Sub-networks count from 1 (thinnest or shallowest) to K (the full network), as f_1 ... f_K in
equation (1) of the paper. A fixed-budget network is the case K = 1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from anyslice.errors import AnysliceError

Logits = Tensor | tuple[Tensor, ...]
"""Logits of one sub-network: (N, classes), or a tuple of D such tensors, fine to coarse."""


@dataclass(frozen=True)
class Task:
    """What a network classifies.

    Attributes:
        classes: number of labels; of each of D levels, fine to coarse, in a hierarchy.
        image_size: side of the square images in pixels.
        image_channels: 3 for RGB, 1 for grey images.
    """

    classes: int | tuple[int, ...]
    image_size: int
    image_channels: int = 3

    def problem(self, images: Any) -> str:
        """Why a network cannot take images, or nothing."""
        if not isinstance(images, Tensor) or images.dim() != 4:
            shape = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
            return f"images must be a tensor (N, {self.image_channels}, H, W), not {shape}"
        if images.shape[1] != self.image_channels:
            return (
                f"the network takes images of {self.image_channels} channels, not {images.shape[1]}"
            )
        if not images.is_floating_point():
            return (
                f"images must be normalised floating-point numbers, not {images.dtype}: of pixels "
                "0 ... 255 that is (images / 255 - mean) / std, as the data set's manifest has them"
            )
        return ""


class TakesImages(nn.Module):
    """A module that explains what is wrong with images that it cannot take.

    It looks at them after the failure only, so that a call costs nothing more.
    """

    task: Task

    def __call__(self, *inputs: Any) -> Any:
        """As `nn.Module`; raises AnysliceError if the images do not fit the task."""
        try:
            return super().__call__(*inputs)
        except RuntimeError as error:
            if problem := self.task.problem(inputs[0]):
                raise AnysliceError(problem) from error
            raise


class AnytimeNetwork(TakesImages, ABC):
    """A network with K sub-networks and, for a hierarchy, D label levels.

    A subclass is made of its parameters, a dataclass of `config.families`, and a `Task`.
    """

    def __init__(self, K: int, task: Task) -> None:
        super().__init__()
        self.K, self.task = K, task

    @property
    def D(self) -> int:
        """Number of label levels (1 without a hierarchy)."""
        return 1 if isinstance(self.task.classes, int) else len(self.task.classes)

    @abstractmethod
    def forward(self, images: Tensor) -> list[Logits]:
        """Logits of all K sub-networks, thinnest or shallowest first.

        Args:
            images: (N, channels, size, size), normalised.
        """

    def passes(self, images: Tensor) -> Iterator[list[tuple[int, Logits]]]:
        """Groups of (k, logits) for training: call backward on each group before the next.

        Networks whose sub-networks share one forward pass yield one group. The gradients that
        accumulate over all groups are those of the joint loss, equation (1).
        """
        yield list(enumerate(self(images), start=1))

    @abstractmethod
    def subnetwork(self, k: int) -> nn.Module:
        """The k-th sub-network as a stand-alone module, its forward giving `Logits`.

        It holds copies of only those weights that sub-network k needs. In eval mode it gives the
        logits of `forward(images)[k - 1]`.

        Raises:
            AnysliceError: if k is not in 1 ... K.
        """

    def dense_subnetwork(self, k: int) -> nn.Module:
        """The same function as `subnetwork(k)` in the fewest calls, though it may multiply zeros.

        Raises:
            AnysliceError: if k is not in 1 ... K.
        """
        return self.subnetwork(k)

    def steps(self) -> list[nn.Module]:
        """K modules, each computing what its sub-network adds to the one before (eval mode).

        Step k takes the images and the features that step k - 1 left (none for k = 1), and gives
        a tuple: the `Logits` of sub-network k, then the features it leaves; the last leaves none.
        The modules share the network's weights.

        Raises:
            TypeError: if the network is not interruptible (its sub-networks share no results).
        """
        raise TypeError(
            f"{type(self).__name__} is not interruptible: its sub-networks share no intermediate "
            "results. Use subnetwork(k), or IS-ResNeXt, MSDNet or a shallow ResNeXt."
        )

    def refine(self, images: Tensor) -> Iterator[Logits]:
        """Logits of sub-network 1, 2, ... K, each step computing only what is new.

        All K steps together cost the full network and the K heads.

        Raises:
            TypeError: if the network is not interruptible.
            RuntimeError: in training mode, where BN would see the images of one batch.
        """
        steps = self.steps()
        if self.training:
            raise RuntimeError("refine() needs eval mode: call network.eval() first")
        return _refine(steps, images)

    def check_k(self, k: int) -> None:
        """Raise AnysliceError unless k is in 1 ... K."""
        if not 1 <= k <= self.K:
            raise AnysliceError(f"there is no sub-network {k}: k must be in 1 ... {self.K}")


def _refine(steps: Sequence[nn.Module], images: Tensor) -> Iterator[Logits]:
    features: Sequence[Tensor] = ()
    for step in steps:
        logits, *features = step(images, *features)
        yield logits


class Standalone(TakesImages):
    """A K = 1 network as an ordinary module: images to the logits of its only sub-network."""

    def __init__(self, network: AnytimeNetwork) -> None:
        super().__init__()
        self.network, self.task = network, network.task

    def forward(self, images: Tensor) -> Logits:
        """Logits (N, classes), or a tuple over the D levels, of images (N, channels, H, W)."""
        logits: Logits = self.network(images)[0]
        return logits


def require(condition: bool, message: str) -> None:
    """Raise AnysliceError(message) unless the condition holds: for hyper-parameters."""
    if not condition:
        raise AnysliceError(message)
