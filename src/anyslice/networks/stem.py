"""What comes before the blocks, and between the scales, of the ResNeXt family."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anyslice.config.families import LARGEST_SMALL_IMAGE, stages_of


@dataclass(frozen=True)
class Scales:
    """How L blocks are spread over scales of doubling width and halving resolution.

    Small images (3 scales): a 3x3 stem. Large images (4 scales): the ImageNet stem.
    """

    count: int
    blocks_per_scale: int

    @staticmethod
    def of(L: int, image_size: int) -> Scales:
        """3 scales for images of up to 64 pixels, 4 for larger ones (Appendix B)."""
        count = stages_of(image_size)
        return Scales(count, L // count)


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


def downscale(features: Tensor, parts: int = 1) -> Tensor:
    """Halve the resolution by 2x2 average pooling, double the width with zeros (Appendix B).

    With several parts the channels are K sub-features and each is widened by itself:
    [x_1; 0; x_2; 0; ...], so that the k-th still depends on the first k only.

    Args:
        features: (N, C, H, W).
        parts: number of sub-features the C channels consist of.

    Returns:
        (N, 2C, H // 2, W // 2).
    """
    pooled = F.avg_pool2d(features, 2)
    if parts == 1:
        return F.pad(pooled, (0, 0, 0, 0, 0, pooled.shape[1]))
    pieces = pooled.chunk(parts, dim=1)
    zeros = torch.zeros_like(pieces[0])
    return torch.cat([piece for part in pieces for piece in (part, zeros)], dim=1)
