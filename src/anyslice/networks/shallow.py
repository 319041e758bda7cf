"""Shallow sub-networks of ResNeXt: a classifier after every block but the first (Section 4.1).

Sub-network k is the first k + 1 blocks and a head g_k, so there are K = L - 1 of them. The heads
are those of I-ResNeXt. Here sub-networks differ in depth, in I-ResNeXt in width: Figure 3c
compares the two.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from anyslice.config.families import ShallowResNeXtParams
from anyslice.networks.base import AnytimeNetwork, Logits, TakesImages, Task
from anyslice.networks.heads import make_head
from anyslice.networks.resnext import Block
from anyslice.networks.stem import Stages, Stem, downscale


class Segment(nn.Module):
    """The blocks between two exits: one of them, or the first two.

    A block that begins a stage takes its input at half the resolution.

    Args:
        begins_stage: for each block the width to which its input is down-scaled, or None.
    """

    def __init__(self, blocks: Sequence[Block], begins_stage: Sequence[int | None]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.begins_stage = tuple(begins_stage)

    def forward(self, x: Tensor) -> Tensor:
        """(N, W, H, W) to the same shape, or to half the resolution where a stage begins."""
        for block, width in zip(self.blocks, self.begins_stage, strict=True):
            x = block(downscale(x, width) if width else x, 1)
        return x


class ShallowSubnetwork(TakesImages):
    """A truncated ResNeXt: stem, segments and one head."""

    def __init__(self, network: ShallowResNeXt, k: int) -> None:
        super().__init__()
        self.task, self.stem = network.task, network.stem
        self.segments, self.head = network.segments[:k], network.heads[k - 1]

    def forward(self, images: Tensor) -> Logits:
        """Logits (N, classes), or a tuple over D levels, of images (N, channels, H, W)."""
        logits: Logits = self.head(self.segments(self.stem(images)))
        return logits


class ShallowStep(nn.Module):
    """What exit k adds to exit k - 1; it leaves the features before head k."""

    def __init__(self, network: ShallowResNeXt, k: int) -> None:
        super().__init__()
        self.stem = network.stem if k == 1 else None
        self.segment, self.head = network.segments[k - 1], network.heads[k - 1]
        self.last = k == network.K

    def forward(self, images: Tensor, *before: Tensor) -> tuple[Any, ...]:
        """See `AnytimeNetwork.steps`."""
        x = self.segment(self.stem(images) if self.stem else before[0])
        return self.head(x), *(() if self.last else (x,))


class ShallowResNeXt(AnytimeNetwork):
    """ResNeXt with early exits."""

    def __init__(self, params: ShallowResNeXtParams, task: Task) -> None:
        super().__init__(params.subnetworks, task)
        L, W, B, C, only = params.L, params.W, params.B, params.C, params.only
        stages = Stages.of(L, task.image_size)
        self.stem = Stem(task.image_channels, W, task.image_size)
        ends = range(2, L + 1) if only is None else [only + 1]
        self.segments = nn.Sequential()
        self.heads = nn.ModuleList()
        begin = 0
        for end in ends:
            factors = [stages.factors[i // stages.blocks] for i in range(begin, end)]
            blocks = [Block(f * W, f * B, C, 1, "independent") for f in factors]
            begins_stage = [
                f * W if i and i % stages.blocks == 0 else None
                for i, f in enumerate(factors, start=begin)
            ]
            self.segments.append(Segment(blocks, begins_stage))
            self.heads.append(make_head(factors[-1] * W, task.classes))
            begin = end

    def forward(self, images: Tensor) -> list[Logits]:
        """Logits of all K exits from one pass, shallowest first."""
        x, exits = self.stem(images), []
        for segment, head in zip(self.segments, self.heads, strict=True):
            x = segment(x)
            exits.append(head(x))
        return exits

    def steps(self) -> list[nn.Module]:
        """Step k computes one more block, step 1 the stem and two, and head k."""
        return [ShallowStep(self, k) for k in range(1, self.K + 1)]

    def subnetwork(self, k: int) -> nn.Module:
        """The truncated ResNeXt that ends at exit k."""
        self.check_k(k)
        return copy.deepcopy(ShallowSubnetwork(self, k)).train(self.training)
