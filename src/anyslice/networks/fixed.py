"""Fixed-budget networks: anytime networks with one sub-network, themselves."""

from __future__ import annotations

import copy
from abc import abstractmethod

from torch import Tensor, nn

from anyslice.networks.base import AnytimeNetwork, Logits, Standalone, Task


class FixedBudgetNetwork(AnytimeNetwork):
    """The case K = 1: a subclass gives `logits` only."""

    def __init__(self, task: Task) -> None:
        super().__init__(1, task)

    @abstractmethod
    def logits(self, images: Tensor) -> Logits:
        """Logits (N, classes), or a tuple over D levels, of images (N, channels, H, W)."""

    def forward(self, images: Tensor) -> list[Logits]:
        """The network's logits, in a list of one."""
        return [self.logits(images)]

    def subnetwork(self, k: int) -> nn.Module:
        """A copy of the network; k must be 1."""
        self.check_k(k)
        return Standalone(copy.deepcopy(self))
