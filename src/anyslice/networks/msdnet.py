"""MSDNet (Huang et al., 2018), the paper's main baseline: early exits from a grid of features.

The network is a grid of cells. A row is a scale s (0 the finest, each half the resolution of the
one before), a column c a layer; the exits sit on the coarsest row. A cell appends new features:

    x(c, s) = [ x(c-1, s); down(x(c-1, s-1)); same(x(c-1, s)) ]    (no `down` at the finest scale)

`down` and `same` are 1x1 bottleneck and 3x3 convolutions, each with BN and ReLU, of stride 2 and 1.
Fine scales end early (pruning), and where one ends a column of 1x1 convolutions narrows all others
(reduction). After the authors' description and public model; the paper puts its own one-layer heads
on it (Section 4.2, footnote 1).

An exit is reached block by block: it costs every cell up to its column, which is how the MACs of
MSDNet are counted everywhere. Some of those cells only serve later exits; lazy evaluation (Huang et
al., Section 4) would leave them for later.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any, Literal, cast

from torch import Tensor, nn

from anyslice.config.families import LARGEST_SMALL_IMAGE, MSDNetParams
from anyslice.networks.base import AnytimeNetwork, Logits, TakesImages, Task
from anyslice.networks.grid import IMAGE, Bottleneck, Cell, ConvNormReLU, DenseCell, Grid
from anyslice.networks.heads import Head, global_average, make_head
from anyslice_kernels.norm_relu import applies

REDUCTION = 0.5
"""What fraction of the width a transition keeps."""


@dataclass(frozen=True)
class Column:
    """One column of cells: the scales from `finest` on.

    Widths are those at a growth factor of 1; scale s has `growth_factors[s]` times as many.
    """

    kind: Literal["stem", "dense", "transition"]
    finest: int
    in_width: int
    out_width: int


class OriginalHead(nn.Module):
    """MSDNet's own classifier: two 3x3 convolutions of stride 2, average pooling, linear.

    Pooling is global, which is the authors' 2x2 pooling at their image sizes.
    """

    def __init__(self, width: int, inner: int, classes: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            ConvNormReLU(width, inner, 3, stride=2), ConvNormReLU(inner, inner, 3, stride=2)
        )
        self.fc = nn.Linear(inner, classes)

    def forward(self, features: Tensor) -> Tensor:
        """Logits (N, classes)."""
        return cast(Tensor, self.fc(global_average(self.convs(features))))


class Exit(TakesImages):
    """One exit as a stand-alone module: the cells up to it, computed in order, and its head."""

    def __init__(self, network: MSDNet, k: int, cells: Sequence[Cell]) -> None:
        super().__init__()
        self.task, self.order = network.task, tuple(cells)
        self.grid = network.grid.only(self.order)
        self.head = copy.deepcopy(network.heads[k - 1])
        self.exit_cell = network.exit_cells[k - 1]

    def forward(self, images: Tensor) -> Logits:
        """Logits (N, classes), or a tuple over D levels, of images (N, channels, H, W)."""
        features = {IMAGE: images}
        self.grid.compute(self.order, features)
        logits: Logits = self.head(features[self.exit_cell])
        return logits


class GridStep(nn.Module):
    """What an exit adds to the one before it.

    Args:
        new: the cells to compute.
        before: the cells whose features the step before left.
        left: those whose features this one leaves, for the cells of later steps.
        exit: whose head it has, counted from 0.
    """

    def __init__(
        self,
        network: MSDNet,
        new: Sequence[Cell],
        before: Sequence[Cell],
        left: Sequence[Cell],
        exit: int,
    ) -> None:
        super().__init__()
        self.grid, self.head = network.grid, network.heads[exit]
        self.exit_cell = network.exit_cells[exit]
        self.new, self.before, self.left = tuple(new), tuple(before), tuple(left)

    def forward(self, images: Tensor, *before: Tensor) -> tuple[Any, ...]:
        """See `AnytimeNetwork.steps`."""
        features = {IMAGE: images} | dict(zip(self.before, before, strict=True))
        self.grid.compute(self.new, features)
        return self.head(features[self.exit_cell]), *(features[cell] for cell in self.left)


class MSDNet(AnytimeNetwork):
    """MSDNet; sub-network k is exit k."""

    def __init__(self, params: MSDNetParams, task: Task) -> None:
        super().__init__(params.K, task)
        self.params = params
        scales = len(params.growth_factors)
        columns, ends = columns_of(params)
        self.exit_cells = [Cell(end, scales - 1) for end in ends]
        sources = {
            cell: _sources(columns, cell)
            for cell in needed(self.exit_cells, partial(_sources, columns))
        }
        self.grid = Grid({cell: self._cell(columns, cell) for cell in sources}, sources)
        widths = [columns[end].out_width * params.growth_factors[-1] for end in ends]
        self.heads = nn.ModuleList(self._head(width) for width in widths)

    def _cell(self, columns: Sequence[Column], cell: Cell) -> nn.Module:
        column, s = columns[cell.column], cell.scale
        factor, bottleneck = self.params.growth_factors, self.params.bottleneck_factors
        out_width = column.out_width * factor[s]
        if cell == Cell(0, 0):
            return _stem(self.task.image_channels, out_width, self.task.image_size)
        if column.kind == "stem":
            return ConvNormReLU(column.out_width * factor[s - 1], out_width, 3, stride=2)
        if column.kind == "transition":
            return ConvNormReLU(column.in_width * factor[s], out_width, 1)
        new = (column.out_width - column.in_width) * factor[s]
        has_finer = len(_sources(columns, cell)) == 2
        if has_finer:
            new //= 2
        same = Bottleneck(column.in_width * factor[s], new, bottleneck[s], stride=1)
        down = (
            Bottleneck(column.in_width * factor[s - 1], new, bottleneck[s - 1], 2)
            if has_finer
            else None
        )
        return DenseCell(same, down)

    def _cells_up_to(self, k: int) -> list[Cell]:
        """All that exit k costs, which is every cell up to its column."""
        return [cell for cell in self.grid.sources if cell.column <= self.exit_cells[k - 1].column]

    def _head(self, width: int) -> nn.Module:
        classes, size = self.task.classes, self.task.image_size
        if self.params.head == "one-layer":
            return make_head(width, classes, Head)
        inner = width if size > LARGEST_SMALL_IMAGE else 128
        return make_head(width, classes, lambda w, labels: OriginalHead(w, inner, labels))

    def forward(self, images: Tensor) -> list[Logits]:
        """Logits of all K exits from one pass, shallowest first."""
        if applies(images, training=self.training):
            grown = self.grid.grow(images)
            ends = zip(self.exit_cells, self.heads, strict=True)
            return [head(grown[cell].tensor()) for cell, head in ends]
        features = {IMAGE: images}
        exits: list[Logits] = []
        for cells, exit_cell, head in zip(
            self._new_cells(), self.exit_cells, self.heads, strict=True
        ):
            self.grid.compute(cells, features)
            exits.append(head(features[exit_cell]))
        return exits

    def _new_cells(self) -> list[list[Cell]]:
        """For each exit the cells on the way to it that none before it computed."""
        done: set[Cell] = set()
        new = []
        for k in range(1, self.K + 1):
            cells = self._cells_up_to(k)
            new.append([cell for cell in cells if cell not in done])
            done.update(cells)
        return new

    def steps(self) -> list[nn.Module]:
        """Step k computes the cells that exit k needs and none before it did, and head k."""
        new = self._new_cells()
        before: list[Cell] = []
        steps: list[nn.Module] = []
        for k in range(self.K):
            later = {s for cells in new[k + 1 :] for cell in cells for s in self.grid.sources[cell]}
            later |= set(self.exit_cells[k + 1 :])
            left = [cell for cell in (*before, *new[k]) if cell in later]
            steps.append(GridStep(self, new[k], before, left, k))
            before = left
        return steps

    def subnetwork(self, k: int) -> nn.Module:
        """Exit k with the cells up to it."""
        self.check_k(k)
        return Exit(self, k, self._cells_up_to(k)).train(self.training)


def columns_of(params: MSDNetParams) -> tuple[list[Column], list[int]]:
    """The columns of the grid, and for each exit the column it sits on.

    A scale ends after each 1/S of the layers, and a transition follows.
    """
    steps = [params.base] + [params.step] * (params.K - 1)
    of_a_scale = ceil(sum(steps) / len(params.growth_factors))
    columns = [Column("stem", 0, params.channels, params.channels)]
    ends: list[int] = []
    layer = 0
    for count in steps:
        for _ in range(count):
            before = columns[-1]
            finest = layer // of_a_scale
            wide = before.out_width + params.growth
            columns.append(Column("dense", finest, before.out_width, wide))
            if finest > before.finest:
                columns.append(Column("transition", finest, wide, int(REDUCTION * wide)))
            layer += 1
        ends.append(len(columns) - 1)
    return columns, ends


def _sources(columns: Sequence[Column], cell: Cell) -> tuple[Cell, ...]:
    """The cells that a cell takes its input from: of the same scale first, then the finer one."""
    c, s = cell
    if columns[c].kind == "stem":
        return (IMAGE,) if s == 0 else (Cell(c, s - 1),)
    if columns[c].kind == "transition" or s == columns[c - 1].finest:
        return (Cell(c - 1, s),)
    return Cell(c - 1, s), Cell(c - 1, s - 1)


def needed(cells: Sequence[Cell], sources_of: Callable[[Cell], Sequence[Cell]]) -> list[Cell]:
    """The cells without which some of `cells` cannot be computed, in an order to compute them."""
    found: set[Cell] = set()
    front = list(cells)
    while front:
        cell = front.pop()
        if cell not in found and cell != IMAGE:
            found.add(cell)
            front.extend(sources_of(cell))
    return sorted(found)


def _stem(image_channels: int, width: int, image_size: int) -> nn.Module:
    """3x3 for small images; 7x7 of stride 2 and max-pooling of stride 2 for large ones."""
    if image_size <= LARGEST_SMALL_IMAGE:
        return ConvNormReLU(image_channels, width, 3)
    return nn.Sequential(
        ConvNormReLU(image_channels, width, 7, stride=2), nn.MaxPool2d(3, stride=2, padding=1)
    )
