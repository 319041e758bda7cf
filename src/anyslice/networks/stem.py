"""What comes before the blocks, and between the stages, of the ResNeXt family."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anyslice.config.families import LARGEST_SMALL_IMAGE, stages_of


@dataclass(frozen=True)
class Stages:
    """How L blocks are spread over stages, each at half the resolution of the one before.

    Widths W, 2W, 4W for small images and W, 2W, 4W, 4W for large ones (Appendix B). That the
    bottleneck's width follows (B, 2B, 4B, 4B) is our assumption.

    Attributes:
        factors: the width of each stage, in widths of the first.
        blocks: in each stage.
    """

    factors: tuple[int, ...]
    blocks: int

    @staticmethod
    def of(L: int, image_size: int) -> Stages:
        """3 stages for images of up to 64 pixels, 4 for larger ones."""
        factors = (1, 2, 4, 4)[: stages_of(image_size)]
        return Stages(factors, L // len(factors))


class Stem(nn.Module):
    """The convolution before the first block, without BN or ReLU (the blocks begin with them).

    Small images: conv 3x3. Large images: conv 7x7 of stride 2, max-pool 3x3 of stride 2; that no
    BN or ReLU stands between the two is our assumption, after the small-image stem.
    """

    def __init__(self, image_channels: int, width: int, image_size: int) -> None:
        super().__init__()
        self.large = image_size > LARGEST_SMALL_IMAGE
        kernel, stride = (7, 2) if self.large else (3, 1)
        self.conv = nn.Conv2d(
            image_channels, width, kernel, stride=stride, padding=kernel // 2, bias=False
        )

    def forward(self, images: Tensor, channels: slice = slice(None)) -> Tensor:
        """(N, image channels, H, W) to (N, width, H', W'), or to some of those channels only."""
        x = F.conv2d(
            images, self.conv.weight[channels], stride=self.conv.stride, padding=self.conv.padding
        )
        return F.max_pool2d(x, 3, stride=2, padding=1) if self.large else x


def downscale(features: Tensor, width: int, parts: int = 1) -> Tensor:
    """Halve the resolution by 2x2 average pooling and fill up to `width` with zeros (Appendix B).

    With several parts the channels are K sub-features and each is widened by itself:
    `[x_1; 0; x_2; 0; ...]`, so that the k-th still depends on the first k only.

    Args:
        features: (N, C, H, W).
        width: of the next stage, at least C.
        parts: the number of sub-features that the C channels consist of.

    Returns:
        (N, width, H // 2, W // 2).
    """
    pooled = F.avg_pool2d(features, 2)
    added = (width - pooled.shape[1]) // parts
    if parts == 1 or not added:
        return F.pad(pooled, (0, 0, 0, 0, 0, added))
    pieces = pooled.chunk(parts, dim=1)
    zeros = torch.zeros_like(pieces[0][:, :added])
    return torch.cat([piece for part in pieces for piece in (part, zeros)], dim=1)
