"""MSDNet's grid: its cells, the layers they consist of, and how they are computed."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anyslice.kernels.norm_relu import pays
from anyslice.networks.norm import bn_relu


class Cell(NamedTuple):
    """A place in the grid."""

    column: int
    scale: int


IMAGE = Cell(-1, 0)


class ConvNormReLU(nn.Sequential):
    """Convolution, BN, ReLU."""

    def __init__(self, in_width: int, out_width: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(in_width, out_width, kernel, stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(out_width),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_width, H, W) to (N, out_width, H / stride, W / stride)."""
        return self.after_conv(self[0](x))

    def after_conv(self, x: Tensor) -> Tensor:
        """BN and ReLU."""
        return bn_relu(x, cast(nn.BatchNorm2d, self[1]))


class Bottleneck(nn.Sequential):
    """1x1 to at most `factor` times the output's width, then 3x3, each with BN and ReLU."""

    def __init__(self, in_width: int, out_width: int, factor: int, stride: int) -> None:
        inner = min(in_width, factor * out_width)
        super().__init__(
            ConvNormReLU(in_width, inner, 1), ConvNormReLU(inner, out_width, 3, stride)
        )

    @property
    def weight(self) -> Tensor:
        """Of the 1x1 convolution."""
        return cast(Tensor, cast(ConvNormReLU, self[0])[0].weight)

    def after_conv(self, x: Tensor) -> Tensor:
        """All but the 1x1 convolution."""
        return cast(Tensor, self[1](cast(ConvNormReLU, self[0]).after_conv(x)))


class DenseCell(nn.Module):
    """New features appended to those of the same scale, half of them from the next finer scale.

    Args:
        same: makes the features from this scale.
        down: makes those from the next finer scale; None where there is none.
    """

    def __init__(self, same: Bottleneck, down: Bottleneck | None) -> None:
        super().__init__()
        self.same = same
        self.down = down

    def forward(self, x: Tensor, finer: Tensor | None = None) -> Tensor:
        """(N, width, H, W), with the finer (N, width', 2H, 2W), to (N, width + growth, H, W)."""
        new = [] if self.down is None else [self.down(finer)]
        return torch.cat([x, *new, self.same(x)], dim=1)

    def after_conv(self, x: Tensor, same: Tensor, down: Tensor | None = None) -> Tensor:
        """The same, given what the 1x1 convolutions made of x and of the finer features."""
        new = [] if self.down is None else [self.down.after_conv(cast(Tensor, down))]
        return torch.cat([x, *new, self.same.after_conv(same)], dim=1)

    def bottlenecks(self) -> list[Bottleneck]:
        """That of x, then that of the finer features if there are any."""
        return [self.same] if self.down is None else [self.same, self.down]


class Grid(nn.Module):
    """Cells and what each takes its input from; computes no cell that is not asked for."""

    def __init__(self, cells: dict[Cell, nn.Module], sources: dict[Cell, tuple[Cell, ...]]) -> None:
        super().__init__()
        self.sources = sources
        self.cells = nn.ModuleDict({_key(cell): module for cell, module in cells.items()})

    def compute(self, cells: Sequence[Cell], features: dict[Cell, Tensor]) -> None:
        """Add the features of `cells` to those computed before."""
        convolved: dict[nn.Module, Tensor] = {}
        for cell in cells:
            inputs = [features[source] for source in self.sources[cell]]
            module = self.cells[_key(cell)]
            if isinstance(module, DenseCell) and pays(inputs[0], training=self.training):
                for source, x in zip(self.sources[cell], inputs, strict=True):
                    self._convolve(source, x, cells, convolved)
                known = [convolved.pop(bottleneck) for bottleneck in module.bottlenecks()]
                features[cell] = module.after_conv(inputs[0], *known)
            else:
                features[cell] = module(*inputs)

    def _convolve(
        self, source: Cell, x: Tensor, cells: Sequence[Cell], convolved: dict[nn.Module, Tensor]
    ) -> None:
        """Add the 1x1 convolutions of x, the features of `source`, for all of `cells` to take."""
        readers = [
            bottleneck
            for cell in cells
            if isinstance(module := self.cells[_key(cell)], DenseCell)
            for of, bottleneck in zip(self.sources[cell], module.bottlenecks(), strict=True)
            if of == source
        ]
        if not any(bottleneck in convolved for bottleneck in readers):
            results = joint_conv1x1(x, [bottleneck.weight for bottleneck in readers])
            convolved.update(zip(readers, results, strict=True))

    def only(self, cells: Sequence[Cell]) -> Grid:
        """A copy with some of the cells."""
        return Grid(
            {cell: copy.deepcopy(self.cells[_key(cell)]) for cell in cells},
            {cell: self.sources[cell] for cell in cells},
        )


def _key(cell: Cell) -> str:
    return f"{cell.column}-{cell.scale}"


def joint_conv1x1(x: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """1x1 convolutions of the same features as one product, which reads them once.

    Forward and back, that is faster than several convolutions on a CPU, where a few channels are
    computed from many and so reading takes the time.

    Args:
        x: (N, C, H, W), channels_last.
        weights: (width, C, 1, 1) each.

    Returns:
        (N, width, H, W) for each weight.
    """
    y = F.linear(x.permute(0, 2, 3, 1), torch.cat(list(weights)).flatten(1)).permute(0, 3, 1, 2)
    return torch.split(y, [len(weight) for weight in weights], dim=1)
