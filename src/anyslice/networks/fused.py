"""The residual block of the ResNeXt family as one operation, for training on CPUs.

    y = x + conv3(relu(bn3( conv2(relu(bn2( conv1(relu(bn1(x))) ))) )))

It computes what the plain modules compute, with fewer passes over memory, which on a CPU is what
BN, ReLU and the sum cost (as much as the convolutions):

- BN with ReLU takes one pass for the statistics and one for the result, and so does its backward
  pass, which adds the gradient that comes past the block as well (`kernels.py`).
- The residual sum works in place.
- A 1x1 convolution to few channels is a plain matrix product over (pixels, channels), and the
  weight gradient of every 1x1 convolution is computed with the narrower side as the input.

Everything else (GPUs, eval mode, tensors that are not channels_last) takes the plain modules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.overrides import has_torch_function

aten = torch.ops.aten

NARROW = 16
"""Output channels below which oneDNN's 1x1 convolution is slower than a matrix product.

Measured with AVX-512, 64 channels to 4, 64 images of 32x32: 4.2 ms against 2.0 ms.
"""

SMALLEST = 1 << 19
"""Elements of x below which the plain modules are as fast: there the calls count, not memory."""


class Norm(NamedTuple):
    """The channels of a BN layer that a sub-network uses; the statistics are updated in place."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor
    momentum: float
    eps: float


class Conv(NamedTuple):
    """The weight of a convolution, (out, in / groups, kernel, kernel)."""

    weight: Tensor
    groups: int = 1


def norm_of(bn: nn.BatchNorm2d, width: int) -> Norm:
    """The first `width` channels of a BN layer."""
    assert bn.running_mean is not None
    assert bn.running_var is not None
    tensors: tuple[Tensor, ...] = (bn.weight, bn.bias, bn.running_mean, bn.running_var)
    if width < bn.num_features:  # a slice of everything would cost its backward pass
        tensors = tuple(tensor[:width] for tensor in tensors)
    weight, bias, running_mean, running_var = tensors
    return Norm(weight, bias, running_mean, running_var, bn.momentum or 0.0, bn.eps)


def pays(x: Tensor, *, training: bool) -> bool:
    """Whether `residual_block` is both applicable to x and faster than the plain modules.

    Not in reduced precision, for which there are no kernels, nor while someone overrides torch's
    functions, as training in several processes does for BN.
    """
    return (
        training
        and x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.float64)
        and not torch.is_autocast_enabled("cpu")
        and x.numel() >= SMALLEST
        and x.shape[1] > 1
        and x.is_contiguous(memory_format=torch.channels_last)
        and not has_torch_function((x,))
    )


def residual_block(x: Tensor, convs: tuple[Conv, Conv, Conv], norms: tuple[Norm, ...]) -> Tensor:
    """The block's output in training mode, (N, W, H, W) channels_last as x is.

    Args:
        x: (N, W, H, W), channels_last.
        convs: 1x1 without groups, 3x3 with padding 1, 1x1.
        norms: the BN before each; running statistics are updated as by `nn.BatchNorm2d`.
    """
    weights = [conv.weight for conv in convs]
    affine = [parameter for norm in norms for parameter in (norm.weight, norm.bias)]
    groups = [conv.groups for conv in convs]
    return cast(Tensor, _Block.apply(x, *weights, *affine, groups, norms))


class _Block(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *arguments: Any) -> Tensor:
        weight1, weight2, weight3 = arguments[:3]
        groups, norms = arguments[-2:]
        z1, *stats1 = _norm_relu(x, norms[0])
        a = _project(z1, weight1)
        z2, *stats2 = _norm_relu(a, norms[1])
        b = F.conv2d(z2, weight2, padding=1, groups=groups[1])
        z3, *stats3 = _norm_relu(b, norms[2])
        y = F.conv2d(z3, weight3, groups=groups[2]).add_(x)
        statistics = (*stats1, *stats2, *stats3)
        ctx.save_for_backward(x, a, b, z1, z2, z3, *arguments[:3], *statistics)
        ctx.groups = groups
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, a, b, z1, z2, z3, weight1, weight2, weight3, *statistics = ctx.saved_tensors
        stats1, stats2, stats3 = statistics[:4], statistics[4:8], statistics[8:]
        grad_y = grad.contiguous(memory_format=torch.channels_last)

        g, grad_weight3 = _conv3_backward(grad_y, z3, weight3, ctx.groups[2])
        g, grad_gamma3, grad_beta3 = _norm_relu_backward(g, b, stats3)
        g, grad_weight2 = _conv_backward(g, z2, weight2, 1, ctx.groups[1])
        g, grad_gamma2, grad_beta2 = _norm_relu_backward(g, a, stats2)
        grad_weight1 = _weight_gradient(g, z1)
        g = F.conv2d(g, weight1.transpose(0, 1))
        grad_x, grad_gamma1, grad_beta1 = _norm_relu_backward(g, x, stats1, residual=grad_y)

        convs = (grad_weight1, grad_weight2, grad_weight3)
        norms = (grad_gamma1, grad_beta1, grad_gamma2, grad_beta2, grad_gamma3, grad_beta3)
        return (grad_x, *convs, *norms, None, None)


def _norm_relu(x: Tensor, norm: Norm) -> tuple[Tensor, ...]:
    """relu(bn(x)) = relu(scale x + shift); mean, 1 / standard deviation, scale and shift, (C,)."""
    from anyslice.networks import kernels  # takes half a second, which other networks need not wait

    means, variances = kernels.statistics(x)
    between, mean = torch.var_mean(means, 0, correction=0)
    variance = variances.mean(0).add_(between)
    inverse = (variance + norm.eps).rsqrt_()
    pixels = x.numel() // x.shape[1]
    norm.running_mean.lerp_(mean, norm.momentum)
    norm.running_var.lerp_(variance.mul_(pixels / max(1, pixels - 1)), norm.momentum)
    scale = norm.weight * inverse
    shift = torch.addcmul(norm.bias, mean, scale, value=-1)
    return kernels.scale_relu(x, scale, shift), mean, inverse, scale, shift


def _norm_relu_backward(
    grad: Tensor,
    x: Tensor,
    statistics: Sequence[Tensor],
    residual: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of x (plus `residual`), gamma and beta, given that of relu(bn(x)).

    The one given is overwritten.
    """
    from anyslice.networks import kernels

    mean, inverse, scale, shift = statistics
    grad_beta, products = kernels.gradient_sums(grad, x, scale, shift, mean)
    grad_gamma = products.mul_(inverse)
    # dx = scale (g - mean of g - normalised x * mean of (g * normalised x))
    #    = scale g + slope x + offset, where g is 0 where the ReLU is
    pixels = x.numel() // x.shape[1]
    slope = (scale * inverse).mul_(grad_gamma).mul_(-1 / pixels)
    offset = (scale * grad_beta).mul_(-1 / pixels).addcmul_(slope, mean, value=-1)
    grad_x = kernels.input_gradient(grad, x, scale, shift, slope, offset, residual)
    return grad_x, grad_gamma, grad_beta


def _project(x: Tensor, weight: Tensor) -> Tensor:
    """The 1x1 convolution of x with a weight (out, in, 1, 1)."""
    if weight.shape[0] >= NARROW:
        return F.conv2d(x, weight)
    return _image(torch.mm(_rows(x), weight.flatten(1).contiguous().t()), x)


def _conv3_backward(grad: Tensor, z: Tensor, weight: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """The gradients of the last 1x1 convolution's input and weight."""
    if groups > 1:
        return _conv_backward(grad, z, weight, 0, groups)
    return _project(grad, weight.transpose(0, 1)), _weight_gradient(grad, z)


def _conv_backward(
    grad: Tensor, z: Tensor, weight: Tensor, padding: int, groups: int
) -> tuple[Tensor, Tensor]:
    one, zero, pad = [1, 1], [0, 0], [padding, padding]
    grad_z, grad_weight, _ = aten.convolution_backward(
        grad, z, weight, None, one, pad, one, False, zero, groups, [True, True, False]
    )
    return grad_z.contiguous(memory_format=torch.channels_last), grad_weight


def _weight_gradient(grad: Tensor, z: Tensor) -> Tensor:
    """The gradient of a 1x1 convolution's weight, (out, in, 1, 1).

    The sum over pixels of grad times z is the same with the two exchanged, but for a transposition,
    and oneDNN is faster when the narrower plays the input.
    """
    if grad.shape[1] < z.shape[1]:
        return _weight_gradient(z, grad).transpose(0, 1)
    weight = grad.new_empty(grad.shape[1], z.shape[1], 1, 1)
    one, zero = [1, 1], [0, 0]
    _, grad_weight, _ = aten.convolution_backward(
        grad, z, weight, None, one, zero, one, False, zero, 1, [False, True, False]
    )
    return cast(Tensor, grad_weight)


def _rows(x: Tensor) -> Tensor:
    """A view of channels_last x as a matrix (pixels, C)."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def _image(rows: Tensor, like: Tensor) -> Tensor:
    """A view of a matrix of pixels as channels_last images of `like`'s number and size."""
    N, _, height, width = like.shape
    return rows.view(N, height, width, -1).permute(0, 3, 1, 2)
