"""What depends on what inside a residual block, as autograd finds it in the real module.

A block has four rows of channels: input x, bottlenecks a and b (before and after the 3x3
convolution) and output y (Section 3.2). Channels of a row that are connected alike are one *group*:
a sub-feature of x or y, a branch of a or b. Nothing about the groups is assumed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

SIDE = 5
"""Height and width of the probed feature maps: room for a 3x3 kernel around the centre."""
SAMPLES = 64
"""Random inputs: each ReLU lets some of them through."""


@dataclass(frozen=True, order=True)
class Edge:
    """Group `target` of a row depends on group `source` of another; both count from 1.

    Attributes:
        rows: the two rows, such as "xa"; "xy" is the path past the convolutions.
        kernel: side of the kernel between them in pixels.
    """

    rows: str
    source: int
    target: int
    kernel: int


@dataclass(frozen=True)
class Connectivity:
    """The groups of a block and what connects them.

    Attributes:
        groups: for each of the rows x, a, b, y, the number of channels of each group.
        edges: dependencies between groups.
    """

    groups: dict[str, tuple[int, ...]]
    edges: frozenset[Edge]

    def targets(self, edge: Edge) -> list[int]:
        """What the source of an edge leads to in the edge's rows."""
        return sorted(
            e.target for e in self.edges if e.rows == edge.rows and e.source == edge.source
        )

    def sources(self, edge: Edge) -> list[int]:
        """What the target of an edge depends on in the edge's rows."""
        return sorted(
            e.source for e in self.edges if e.rows == edge.rows and e.target == edge.target
        )


def connectivity(block: Callable[[Tensor], Tensor], width: int) -> Connectivity:
    """Probe a residual block of three convolutions, in eval mode.

    Args:
        block: maps (N, width, H, W) to the same shape.
        width: channels of x and y.

    Raises:
        ValueError: if the block is not of that kind.
    """
    x = torch.randn(SAMPLES, width, SIDE, SIDE).requires_grad_()
    with _CutAtConvolutions() as convolutions:
        y = block(x)
    (a, a_cut), (b, b_cut), (c, c_cut) = convolutions.results
    kernels = {
        "xa": _kernels(a, x),
        "ab": _kernels(b, a_cut),
        "by": _kernels(c, b_cut),
        "xy": _kernels(y, x),
    }
    if not torch.equal(_kernels(y, c_cut), torch.eye(width)):
        raise ValueError("the last convolution is not simply added: this is no residual block")
    groups = {
        "x": _alike(kernels["xa"].T),
        "a": _alike(kernels["ab"].T),
        "b": _alike(kernels["ab"]),
        "y": _alike(kernels["by"]),
    }
    edges = frozenset(
        Edge(rows, i, j, kernel)
        for rows, of_rows in kernels.items()
        for i, source in enumerate(groups[rows[0]], start=1)
        for j, target in enumerate(groups[rows[1]], start=1)
        if (kernel := int(of_rows[target][:, source].max()))
    )
    return Connectivity({row: tuple(map(len, found)) for row, found in groups.items()}, edges)


class _CutAtConvolutions(TorchFunctionMode):
    """Records each convolution's result and hands on random numbers in its place, a new input.

    So gradients show what depends on what from one convolution to the next, and random numbers of
    both signs get through any ReLU.
    """

    def __init__(self) -> None:
        super().__init__()
        self.results: list[tuple[Tensor, Tensor]] = []

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        if function is not torch.conv2d:
            return result
        cut = torch.randn_like(result).requires_grad_()
        self.results.append((result, cut))
        return cut


def _kernels(output: Tensor, leaf: Tensor) -> Tensor:
    """For each channel of the output and of the leaf, the side of the kernel between them.

    Returns:
        (output channels, leaf channels): 0 where no input changes the output.
    """
    centre = SIDE // 2
    sides = torch.zeros(output.shape[1], leaf.shape[1])
    for channel in range(output.shape[1]):
        (gradient,) = torch.autograd.grad(
            output[:, channel, centre, centre].sum(), leaf, retain_graph=True
        )
        reached = (gradient != 0).any(dim=0)
        sides[channel] = reached.any(dim=1).sum(dim=1)
    return sides


def _alike(connections: Tensor) -> list[list[int]]:
    """Channels grouped by equal rows of `connections`, in the order of their first channel."""
    groups: dict[tuple[float, ...], list[int]] = {}
    for channel, row in enumerate(connections.tolist()):
        groups.setdefault(tuple(row), []).append(channel)
    return list(groups.values())
