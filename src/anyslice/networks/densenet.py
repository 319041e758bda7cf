"""DenseNet-BC for small images (Huang et al., 2017), of depth 6 n + 4.

images -> conv 3x3 -> [layer x n] -> transition -> [layer x n] -> transition -> [layer x n]
       -> BN -> ReLU -> mean over H, W -> linear

layer(x)      = [x; conv 3x3(relu(bn(conv 1x1(relu(bn(x))))))]     1x1 to 4 k, 3x3 to k channels
transition(x) = average pooling 2x2(conv 1x1(relu(bn(x))))         compresses the channels
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from anyslice.config.families import DenseNetBCParams
from anyslice.networks.base import Logits, Task
from anyslice.networks.fixed import FixedBudgetNetwork
from anyslice.networks.heads import make_head
from anyslice.networks.norm import bn_relu
from anyslice_kernels.growth import Grown
from anyslice_kernels.norm_relu import applies

STAGES = 3
BOTTLENECK = 4
"""Width of a layer's 1x1 convolution over the growth."""


class DenseLayer(nn.Module):
    """A bottleneck layer, its output appended to its input."""

    def __init__(self, in_width: int, growth: int) -> None:
        super().__init__()
        inner = BOTTLENECK * growth
        self.norm1 = nn.BatchNorm2d(in_width)
        self.conv1 = nn.Conv2d(in_width, inner, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_width, H, W) to (N, in_width + growth, H, W)."""
        return torch.cat([x, self.new(bn_relu(x, self.norm1))], dim=1)

    def new(self, activated: Tensor) -> Tensor:
        """What is appended, (N, growth, H, W), given relu(norm1(x))."""
        return cast(Tensor, self.conv2(bn_relu(self.conv1(activated), self.norm2)))


class Transition(nn.Sequential):
    """BN, ReLU, 1x1 convolution, 2x2 average pooling."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_width, H, W) to (N, out_width, H / 2, W / 2)."""
        return self.after_norm(bn_relu(x, cast(nn.BatchNorm2d, self[0])))

    def after_norm(self, activated: Tensor) -> Tensor:
        """The same, given relu(bn(x))."""
        return cast(Tensor, self[3](self[2](activated)))

    def __init__(self, in_width: int, out_width: int) -> None:
        super().__init__(
            nn.BatchNorm2d(in_width),
            nn.ReLU(),
            nn.Conv2d(in_width, out_width, 1, bias=False),
            nn.AvgPool2d(2),
        )


class DenseNetBC(FixedBudgetNetwork):
    """DenseNet with bottleneck layers and compression, for small images."""

    def __init__(self, params: DenseNetBCParams, task: Task) -> None:
        super().__init__(task)
        self.growth = growth = params.growth
        width = 2 * growth
        self.conv = nn.Conv2d(task.image_channels, width, 3, padding=1, bias=False)
        layers: list[nn.Module] = []
        for s in range(STAGES):
            if s:
                compressed = int(params.compression * width)
                layers.append(Transition(width, compressed))
                width = compressed
            for _ in range((params.depth - 4) // 6):
                layers.append(DenseLayer(width, growth))
                width += growth
        self.layers = nn.Sequential(*layers)
        self.head = make_head(width, task.classes)

    def logits(self, images: Tensor) -> Logits:
        """Logits (N, classes), or a tuple over D levels, of images (N, channels, H, W)."""
        x = self.conv(images)
        grows = applies(x, training=self.training)
        out: Logits = self.head(self._grow(x) if grows else self.layers(x))
        return out

    def _grow(self, x: Tensor) -> Tensor:
        """`layers` of x, as features that grow in place."""
        appended = (
            self.growth * sum(isinstance(layer, DenseLayer) for layer in self.layers) // STAGES
        )
        grown = Grown.begin(x, x.shape[1] + appended)
        for layer in self.layers:
            if isinstance(layer, DenseLayer):
                grown = grown.append(layer.new(grown.norm_relu(layer.norm1)))
            elif isinstance(layer, Transition):
                x = layer.after_norm(grown.norm_relu(cast(nn.BatchNorm2d, layer[0])))
                grown = Grown.begin(x, x.shape[1] + appended)
        return grown.tensor()
