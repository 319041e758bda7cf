"""ResNet for small images (He et al., 2016, Section 4.2), of depth 6 n + 2.

    images -> conv 3x3 -> BN -> ReLU -> [block x n] x 3 stages -> mean over H, W -> linear

    block(x) = relu(shortcut(x) + bn(conv 3x3(relu(bn(conv 3x3(x))))))

The width is 16, 32, 64. The first block of a stage halves the resolution by a stride of 2; its
shortcut takes every second pixel and adds zero channels (type A, no parameters).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from anyslice.config.families import ResNetParams
from anyslice.networks.base import Logits, Task
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
    """ResNet with basic blocks, for small images."""

    def __init__(self, params: ResNetParams, task: Task) -> None:
        super().__init__(task)
        depth, width = params.depth, params.width
        self.conv = nn.Conv2d(task.image_channels, width, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(width)
        widths = [width << s for s in range(STAGES)]
        blocks = []
        for s, out_width in enumerate(widths):
            for i in range((depth - 2) // 6):
                first = s > 0 and i == 0
                in_width = widths[s - 1] if first else out_width
                blocks.append(BasicBlock(in_width, out_width, stride=2 if first else 1))
        self.blocks = nn.Sequential(*blocks)
        self.head = make_head(widths[-1], task.classes, LinearHead)

    def logits(self, images: Tensor) -> Logits:
        """Logits (N, classes), or a tuple over D levels, of images (N, channels, H, W)."""
        x = self.blocks(bn_relu(self.conv(images), self.bn))
        out: Logits = self.head(x)
        return out
