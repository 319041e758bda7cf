"""Classifiers: the paper's one-layer g_k (BN, ReLU, global average pooling, linear), and levels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from torch import Tensor, nn

from anyslice.networks.base import Logits
from anyslice.networks.norm import bn_relu


def global_average(features: Tensor) -> Tensor:
    """The mean over all pixels, (N, C) of (N, C, H, W).

    As a sum, whose gradient is the same number at every pixel and stays one number in memory; that
    of PyTorch's pooling is written out, in a layout that makes the ReLU before it 30 times slower.
    """
    return features.sum((2, 3)) / (features.shape[2] * features.shape[3])


class Head(nn.Module):
    """The auxiliary classifier of Section 3.1.

    (N, width, H, W) -> BN -> ReLU -> mean over H, W -> linear -> (N, classes)
    """

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(width)
        self.fc = nn.Linear(width, classes)

    def forward(self, features: Tensor) -> Tensor:
        """Logits (N, classes)."""
        return cast(Tensor, self.fc(global_average(bn_relu(features, self.bn))))


class LinearHead(nn.Module):
    """A classifier for features that have already passed BN and ReLU.

    (N, width, H, W) -> mean over H, W -> linear -> (N, classes)
    """

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width, classes)

    def forward(self, features: Tensor) -> Tensor:
        """Logits (N, classes)."""
        return cast(Tensor, self.fc(global_average(features)))


class LevelHeads(nn.ModuleList):
    """D classifiers g_{k,1} ... g_{k,D} on the same features (Section 3.3)."""

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """A tuple of D logits, fine to coarse."""
        return tuple(head(features) for head in self)


def make_head(
    width: int,
    classes: int | Sequence[int],
    classifier: Callable[[int, int], nn.Module] = Head,
) -> nn.Module:
    """One classifier for an int, `LevelHeads` for the label counts of D levels.

    Args:
        width: channels of the features.
        classes: labels, or the labels of each level, fine to coarse.
        classifier: makes a classifier of (width, labels).
    """
    if isinstance(classes, int):
        return classifier(width, classes)
    return LevelHeads(classifier(width, labels) for labels in classes)


def levels(logits: Logits) -> tuple[Tensor, ...]:
    """The logits of one sub-network as a tuple over its D levels, whatever D is."""
    return (logits,) if isinstance(logits, Tensor) else logits
