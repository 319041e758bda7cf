"""Features that grow by concatenation, in one buffer, for training on CPUs.

Layers of DenseNet and MSDNet append channels to those before them and read all of them. Here a
layer writes its channels next to the others' and reads a prefix, so nothing is concatenated; all
readers add their gradients to a second buffer, from which the writer takes its own.

Autograd sees only which layer follows which: a write returns a *token*, a tensor without numbers,
that later reads and writes take. So a write's backward runs after those of all its readers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from anyslice_kernels.data import Norm
from anyslice_kernels.norm_relu import norm_of


class Buffer:
    """Memory of growing features (N, C, H, W) and of their gradients, as (pixels, C) matrices."""

    def __init__(self, like: Tensor, channels: int) -> None:
        images, _, height, width = like.shape
        self.size = (images, height, width)
        self.features = like.new_empty(images * height * width, channels)
        self._gradients: Tensor | None = None

    def gradients(self) -> Tensor:
        """Of all features, 0 before the first reader's backward."""
        if self._gradients is None:
            self._gradients = torch.zeros_like(self.features)
        return self._gradients

    def forget_gradients(self) -> None:
        """Called when the first write has taken its gradient, which comes last."""
        self._gradients = None

    def view(self, matrix: Tensor) -> Tensor:
        """(pixels, C) as (N, C, H, W)."""
        images, height, width = self.size
        features = matrix.as_strided(
            (images, height, width, matrix.shape[1]),
            (height * width * matrix.stride(0), width * matrix.stride(0), matrix.stride(0), 1),
        )
        return features.permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Grown:
    """The first `width` channels of a buffer."""

    buffer: Buffer
    width: int
    token: Tensor

    @staticmethod
    def begin(features: Tensor, room: int) -> Grown:
        """Features (N, C, H, W) in a buffer of `room` channels."""
        start = Grown(Buffer(features, room), 0, features.new_empty(0))
        return start.append(features)

    def append(self, features: Tensor) -> Grown:
        """With features (N, C', H, W) after these."""
        token = _Append.apply(features, self.token, self.buffer, self.width)
        return Grown(self.buffer, self.width + features.shape[1], cast(Tensor, token))

    def append_norm_relu(self, x: Tensor, bn: nn.BatchNorm2d) -> Grown:
        """With relu(bn(x)) after these, as in training mode."""
        norm = _counted(bn)
        token = _AppendNormReLU.apply(
            x, norm.weight, norm.bias, self.token, self.buffer, self.width, norm
        )
        return Grown(self.buffer, self.width + x.shape[1], cast(Tensor, token))

    def tensor(self) -> Tensor:
        """(N, width, H, W), for whatever reads them; nothing is copied."""
        return cast(Tensor, _Read.apply(self.token, self.buffer, self.width))

    def norm_relu(self, bn: nn.BatchNorm2d) -> Tensor:
        """relu(bn(...)) in training mode, (N, width, H, W)."""
        norm = _counted(bn)
        read = _ReadNormReLU.apply(
            self.token, norm.weight, norm.bias, self.buffer, self.width, norm
        )
        return cast(Tensor, read)

    def conv1x1(self, weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """1x1 convolutions by weights (C', width, 1, 1), as one product that reads once.

        Returns:
            (N, C', H, W) of each.
        """
        weight = torch.cat(list(weights)).flatten(1)
        y = cast(Tensor, _ReadConv.apply(self.token, weight, self.buffer, self.width))
        return torch.split(y, [len(weight) for weight in weights], dim=1)


def _counted(bn: nn.BatchNorm2d) -> Norm:
    assert bn.num_batches_tracked is not None
    bn.num_batches_tracked.add_(1)
    return norm_of(bn)


class _Append(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, _token: Tensor, buffer: Buffer, start: int) -> Tensor:
        ctx.buffer, ctx.slice = buffer, slice(start, start + features.shape[1])
        buffer.view(buffer.features[:, ctx.slice]).copy_(features)
        return features.new_empty(0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, _: Tensor) -> tuple[Tensor | None, ...]:
        gradients = ctx.buffer.view(ctx.buffer.gradients()[:, ctx.slice])
        if ctx.slice.start == 0:
            ctx.buffer.forget_gradients()
        return gradients, None, None, None


class _AppendNormReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *arguments: Any) -> Tensor:
        from anyslice_kernels import rows  # takes half a second, needed in training only

        _weight, _bias, _token, buffer, start, norm = arguments
        ctx.buffer, ctx.slice, ctx.shape = buffer, slice(start, start + x.shape[1]), x.shape
        matrix = rows.rows(x)
        ctx.activated = rows.norm_relu(matrix, norm, buffer.features[:, ctx.slice])
        return x.new_empty(0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, _: Tensor) -> tuple[Tensor | None, ...]:
        from anyslice_kernels import rows

        g = ctx.buffer.gradients()[:, ctx.slice]
        of_x, *affine = rows.norm_relu_backward(g, ctx.activated)
        if ctx.slice.start == 0:
            ctx.buffer.forget_gradients()
        return rows.as_features(of_x, ctx.shape), *affine, None, None, None, None


class _Read(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, _token: Tensor, buffer: Buffer, width: int) -> Tensor:
        ctx.buffer, ctx.width = buffer, width
        return buffer.view(buffer.features[:, :width])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[None, ...]:
        ctx.buffer.view(ctx.buffer.gradients()[:, : ctx.width]).add_(g)
        return None, None, None


class _ReadNormReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, _token: Tensor, *arguments: Any) -> Tensor:
        from anyslice_kernels import rows

        _weight, _bias, buffer, width, norm = arguments
        x = buffer.features[:, :width]
        y = x.new_empty(x.shape)
        ctx.buffer, ctx.activated = buffer, rows.norm_relu(x, norm, y)
        return cast(Tensor, buffer.view(y))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        from anyslice_kernels import rows

        width = ctx.activated.x.shape[1]
        into = ctx.buffer.gradients()[:, :width]
        _, *affine = rows.norm_relu_backward(rows.rows(g), ctx.activated, add_to=into)
        return None, *affine, None, None, None


class _ReadConv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, _token: Tensor, weight: Tensor, buffer: Buffer, width: int) -> Tensor:
        ctx.buffer, ctx.width = buffer, width
        ctx.save_for_backward(weight)
        return buffer.view(buffer.features[:, :width] @ weight.t())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        from anyslice_kernels import rows

        (weight,) = ctx.saved_tensors
        matrix = rows.rows(g)
        ctx.buffer.gradients()[:, : ctx.width].addmm_(matrix, weight)
        return None, matrix.t() @ ctx.buffer.features[:, : ctx.width], None, None
