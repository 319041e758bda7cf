"""ResNet for small images (He et al., 2016, Section 4.2), of depth 6 n + 2.

    images -> conv 3x3 -> BN -> ReLU -> [block x n] x 3 stages -> mean over H, W -> linear

    block(x) = relu(shortcut(x) + bn(conv 3x3(relu(bn(conv 3x3(x))))))

The width is 16, 32, 64. The first block of a stage halves the resolution by a stride of 2; its
shortcut takes every second pixel and adds zero channels (type A, no parameters).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from anyslice.config.families import check_network
from anyslice.networks.base import Logits
from anyslice.networks.fixed import FixedBudgetNetwork
from anyslice.networks.heads import LinearHead, make_head
from anyslice.networks.norm import bn_relu

STAGES = 3


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a type-A shortcut."""

    def __init__(self, in_width: int, out_width: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.added = out_width - in_width
        self.conv1 = nn.Conv2d(in_width, out_width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_width)
        self.conv2 = nn.Conv2d(out_width, out_width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_width)

    def shortcut(self, x: Tensor) -> Tensor:
        """X, subsampled and with zero channels added where the block changes its shape."""
        if self.stride == 1 and not self.added:
            return x
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.added))

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_width, H, W) to (N, out_width, H / stride, W / stride)."""
        y = self.bn2(self.conv2(bn_relu(self.conv1(x), self.bn1)))
        return F.relu(self.shortcut(x) + y)


class ResNet(FixedBudgetNetwork):
    """ResNet with basic blocks, for small images.

    Args:
        depth: number of layers with weights, 6 n + 2: 20, 32, 44, 56, 110 in the publication.
        width: channels at the first stage.
        classes: labels, or the labels of each level, fine to coarse.
        image_size: side of the images in pixels.
        image_channels: 3 or 1.

    Raises:
        AnysliceError: if a hyper-parameter cannot work, saying what would.
    """

    def __init__(
        self,
        *,
        depth: int,
        width: int = 16,
        classes: int | Sequence[int],
        image_size: int,
        image_channels: int = 3,
    ) -> None:
        super().__init__(classes=classes, image_size=image_size, image_channels=image_channels)
        check_network("resnet", image_size, depth=depth, width=width)
        self.conv = nn.Conv2d(image_channels, width, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(width)
        widths = [width << s for s in range(STAGES)]
        blocks = []
        for s, out_width in enumerate(widths):
            for i in range((depth - 2) // 6):
                first = s > 0 and i == 0
                in_width = widths[s - 1] if first else out_width
                blocks.append(BasicBlock(in_width, out_width, stride=2 if first else 1))
        self.blocks = nn.Sequential(*blocks)
        self.head = make_head(widths[-1], self.classes, LinearHead)

    def logits(self, images: Tensor) -> Logits:
        """Logits (N, classes), or a tuple over D levels, of images (N, channels, H, W)."""
        x = self.blocks(bn_relu(self.conv(images), self.bn))
        out: Logits = self.head(x)
        return out
