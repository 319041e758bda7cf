"""MSDNet's grid: its cells, the layers they consist of, and how they are computed."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from anyslice.networks.norm import bn_relu
from anyslice_kernels.growth import Grown


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
        return bn_relu(self[0](x), self.bn)

    @property
    def bn(self) -> nn.BatchNorm2d:
        """Its BN layer."""
        return cast(nn.BatchNorm2d, self[1])


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

    @property
    def out_width(self) -> int:
        """Channels of the output."""
        return cast(nn.Conv2d, cast(ConvNormReLU, self[1])[0]).out_channels

    def grow(self, x: Grown, convolved: Tensor) -> Grown:
        """`x` with the output after it, given what the 1x1 convolution made of its input."""
        narrow, wide = cast(tuple[ConvNormReLU, ConvNormReLU], tuple(self))
        return x.append_norm_relu(wide[0](bn_relu(convolved, narrow.bn)), wide.bn)


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

    def grow(self, x: Grown, convolved: Sequence[Tensor]) -> Grown:
        """The same, given what `bottlenecks` convolve by 1x1 of x and of the finer features."""
        for bottleneck, y in reversed(list(zip(self.bottlenecks(), convolved, strict=True))):
            x = bottleneck.grow(x, y)
        return x

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
        for cell in cells:
            inputs = [features[source] for source in self.sources[cell]]
            features[cell] = self.cells[_key(cell)](*inputs)

    def grow(self, images: Tensor) -> dict[Cell, Grown]:
        """The features of all cells, as `compute` gives them, but grown in place."""
        grown: dict[Cell, Grown] = {}
        convolved: dict[nn.Module, Tensor] = {}
        for cell, sources in self.sources.items():
            module = self.cells[_key(cell)]
            if isinstance(module, DenseCell):
                for source in sources:
                    self._convolve(source, grown[source], convolved)
                known = [convolved.pop(bottleneck) for bottleneck in module.bottlenecks()]
                grown[cell] = module.grow(grown[sources[0]], known)
            else:
                x = images if sources == (IMAGE,) else grown[sources[0]].tensor()
                grown[cell] = Grown.begin(module(x), self._room(cell))
        return grown

    def _room(self, first: Cell) -> int:
        """The channels that the features of a cell have in the end, with all that is appended."""
        module, width = self.cells[_key(first)], 0
        for conv in module.modules():
            width = conv.out_channels if isinstance(conv, nn.Conv2d) else width
        follows = first
        for cell, sources in self.sources.items():
            dense = self.cells[_key(cell)]
            if sources[0] == follows and isinstance(dense, DenseCell):
                follows = cell
                width += sum(bottleneck.out_width for bottleneck in dense.bottlenecks())
        return width

    def _convolve(self, source: Cell, x: Grown, convolved: dict[nn.Module, Tensor]) -> None:
        """Add the 1x1 convolutions of x, the features of `source`, for all cells that read it."""
        readers = [
            bottleneck
            for cell, sources in self.sources.items()
            if source in sources and isinstance(module := self.cells[_key(cell)], DenseCell)
            for of, bottleneck in zip(sources, module.bottlenecks(), strict=True)
            if of == source
        ]
        if not any(bottleneck in convolved for bottleneck in readers):
            results = x.conv1x1([bottleneck.weight for bottleneck in readers])
            convolved.update(zip(readers, results, strict=True))

    def only(self, cells: Sequence[Cell]) -> Grid:
        """A copy with some of the cells."""
        return Grid(
            {cell: copy.deepcopy(self.cells[_key(cell)]) for cell in cells},
            {cell: self.sources[cell] for cell in cells},
        )


def _key(cell: Cell) -> str:
    return f"{cell.column}-{cell.scale}"
