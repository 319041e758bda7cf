"""BN and ReLU as one operation, for training on CPUs.

PyTorch's BN of channels_last features is slow where they have few channels (its threads write to
the same cache lines), and ReLU passes over the memory once more, forward and back. Here each
direction takes two passes: one for the sums that BN needs, one for the result.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from anyslice_kernels.data import Norm, usable

SMALLEST = 1 << 12
"""Elements of x up to which the plain modules are faster: there the calls count, not memory."""


def applies(x: Tensor, *, training: bool) -> bool:
    """Whether there are kernels for training on x, and it is so large that they pay."""
    return usable(x, training=training) and x.numel() > SMALLEST


def pays(x: Tensor, *, training: bool) -> bool:
    """Whether `norm_relu` is applicable to x, and faster than the plain modules."""
    return applies(x, training=training) and x.stride(1) == 1 and not x.is_contiguous()


def norm_of(bn: nn.BatchNorm2d) -> Norm:
    """What a BN layer holds."""
    assert bn.running_mean is not None
    assert bn.running_var is not None
    return Norm(bn.weight, bn.bias, bn.running_mean, bn.running_var, bn.momentum or 0.0, bn.eps)


def norm_relu(x: Tensor, norm: Norm) -> Tensor:
    """relu(bn(x)) in training mode, (N, C, H, W) with the channels of a pixel side by side.

    Args:
        x: (N, C, H, W); nothing is copied if its channels lie side by side too.
        norm: running statistics are updated as by `nn.BatchNorm2d`.
    """
    return cast(Tensor, _NormReLU.apply(x, norm.weight, norm.bias, norm))


class _NormReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, _weight: Tensor, _bias: Tensor, norm: Norm) -> Tensor:
        # Importing takes half a second, so only training pays for it.
        from anyslice_kernels import rows

        x = rows.rows(features)
        y = x.new_empty(x.shape)
        ctx.activated, ctx.shape = rows.norm_relu(x, norm, y), features.shape
        ctx.save_for_backward(x)
        return rows.as_features(y, features.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        from anyslice_kernels import rows

        (x,) = ctx.saved_tensors
        gradient, *affine = rows.norm_relu_backward(rows.rows(grad), ctx.activated._replace(x=x))
        return rows.as_features(gradient, ctx.shape), *affine, None
