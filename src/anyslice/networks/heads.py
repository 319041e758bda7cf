"""The paper's one-layer classifier g_k: BN, ReLU, global average pooling, linear."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from anyslice.networks.base import Logits


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
        pooled = F.adaptive_avg_pool2d(F.relu(self.bn(features)), 1).flatten(1)
        return cast(Tensor, self.fc(pooled))


class LevelHeads(nn.ModuleList):
    """D classifiers g_{k,1} ... g_{k,D} on the same features (Section 3.3), each a `Head`."""

    def __init__(self, width: int, classes: Sequence[int]) -> None:
        super().__init__(Head(width, n) for n in classes)

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """A tuple of D logits, fine to coarse."""
        return tuple(head(features) for head in self)


def make_head(width: int, classes: int | Sequence[int]) -> nn.Module:
    """One `Head` for an int, `LevelHeads` for the label counts of D levels."""
    return Head(width, classes) if isinstance(classes, int) else LevelHeads(width, classes)


def levels(logits: Logits) -> tuple[Tensor, ...]:
    """The logits of one sub-network as a tuple over its D levels, whatever D is."""
    return (logits,) if isinstance(logits, Tensor) else logits
