"""A slimmable ResNet with switchable batch normalisation (Yu et al., 2019): a family of one's own.

Sub-network k has the first k / K of all channels. Every width has batch normalisation and a
classifier of its own; the convolutions are slices of one weight.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anyslice.networks.base import AnytimeNetwork, Logits, Standalone, Task
from anyslice.networks.heads import LinearHead, make_head

Widths = tuple[int, ...]
"""Channels of sub-network 1 ... K."""


class Layer(nn.Module):
    """A 3x3 convolution of which width k takes a slice, and batch normalisation for each width."""

    def __init__(self, inputs: Widths, outputs: Widths, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs[-1], outputs[-1], 3, stride, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in outputs)
        self.inputs, self.outputs, self.stride = inputs, outputs, stride

    def weight(self, k: int) -> Tensor:
        """The slice of width k."""
        return self.conv.weight[: self.outputs[k - 1], : self.inputs[k - 1]]

    def forward(self, x: Tensor, k: int) -> Tensor:
        """(N, inputs[k - 1], H, W) to (N, outputs[k - 1], H / stride, W / stride)."""
        y: Tensor = self.norms[k - 1](F.conv2d(x, self.weight(k), None, self.stride, padding=1))
        return y


class Block(nn.Module):
    """Two layers and a shortcut without parameters, which adds zero channels where they grow."""

    def __init__(self, inputs: Widths, outputs: Widths, stride: int) -> None:
        super().__init__()
        self.first, self.second = Layer(inputs, outputs, stride), Layer(outputs, outputs)

    def forward(self, x: Tensor, k: int) -> Tensor:
        """Of width k."""
        y = self.second(F.relu(self.first(x, k)), k)
        stride = self.first.stride
        added = y.shape[1] - x.shape[1]
        return F.relu(y + F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, 0, added)))


class SlimmableResNet(AnytimeNetwork):
    """ResNet for small images in K widths."""

    def __init__(self, params: Any, task: Task) -> None:  # SlimmableResNetParams of the row
        super().__init__(params.K, task)
        self.params = params
        depth, width, K = params.depth, params.width, params.K
        widths = [tuple((width << stage) * k // K for k in range(1, K + 1)) for stage in range(3)]
        self.stem = Layer((task.image_channels,) * K, widths[0])
        n = (depth - 2) // 6
        stages = [[widths[max(0, s - 1)], *[widths[s]] * n] for s in range(3)]
        self.blocks = nn.ModuleList(
            Block(stages[s][i], stages[s][i + 1], stride=2 if s > 0 and i == 0 else 1)
            for s in range(3)
            for i in range(n)
        )
        self.heads = nn.ModuleList(make_head(of_k, task.classes, LinearHead) for of_k in widths[2])

    def forward(self, images: Tensor) -> list[Logits]:
        """Logits of all K widths, thinnest first."""
        return [self.logits(images, k) for k in range(1, self.K + 1)]

    def logits(self, images: Tensor, k: int) -> Logits:
        """Logits of width k."""
        x = F.relu(self.stem(images, k))
        for block in self.blocks:
            x = block(x, k)
        out: Logits = self.heads[k - 1](x)
        return out

    def subnetwork(self, k: int) -> nn.Module:
        """A ResNet of one width with copies of what width k uses."""
        self.check_k(k)
        width = self.params.width * k // self.K
        thin = SlimmableResNet(replace(self.params, width=width, K=1), self.task)
        with torch.no_grad():
            for mine, its in zip(self.layers(), thin.layers(), strict=True):
                its.conv.weight.copy_(mine.weight(k))
                its.norms[0].load_state_dict(mine.norms[k - 1].state_dict())
        thin.heads[0].load_state_dict(self.heads[k - 1].state_dict())
        return Standalone(thin.train(self.training))

    def layers(self) -> list[Layer]:
        """All layers, in order."""
        return [module for module in self.modules() if isinstance(module, Layer)]
