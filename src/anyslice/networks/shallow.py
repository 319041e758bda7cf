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

from anyslice.config.families import check_network
from anyslice.networks.base import AnytimeNetwork, Logits
from anyslice.networks.heads import make_head
from anyslice.networks.resnext import Block
from anyslice.networks.stem import Stages, Stem, downscale


class Segment(nn.Module):
    """The blocks between two exits: one of them, or the first two.

    A block that begins a stage takes its input at half the resolution.

    Args:
        blocks: in order.
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


class ShallowSubnetwork(nn.Module):
    """A truncated ResNeXt: stem, segments and one head."""

    def __init__(self, stem: Stem, segments: nn.Sequential, head: nn.Module) -> None:
        super().__init__()
        self.stem = stem
        self.segments = segments
        self.head = head

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
    """ResNeXt with early exits.

    Args:
        L: number of blocks, a multiple of the number of stages.
        W: width of the features at the first stage.
        B: width of a branch's bottleneck at the first stage.
        C: cardinality.
        only: k in 1 ... L - 1 for the k-th shallow sub-network alone (a network with K = 1, to be
            trained by itself); None for all of them, jointly.
        classes: labels, or the labels of each level, fine to coarse.
        image_size: side of the images in pixels.
        image_channels: 3 or 1.

    Raises:
        AnysliceError: if a hyper-parameter cannot work, saying what would.
    """

    def __init__(
        self,
        *,
        L: int,
        W: int,
        B: int,
        C: int,
        only: int | None = None,
        classes: int | Sequence[int],
        image_size: int,
        image_channels: int = 3,
    ) -> None:
        check_network("shallow-resnext", image_size, L=L, W=W, B=B, C=C, only=only)
        super().__init__(
            K=L - 1 if only is None else 1,
            classes=classes,
            image_size=image_size,
            image_channels=image_channels,
        )
        stages = Stages.of(L, image_size)
        self.L, self.W, self.B, self.C = L, W, B, C
        self.only = only
        self.stem = Stem(image_channels, W, image_size)
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
            self.heads.append(make_head(factors[-1] * W, self.classes))
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
        truncated = ShallowSubnetwork(self.stem, self.segments[:k], self.heads[k - 1])
        return copy.deepcopy(truncated).train(self.training)
