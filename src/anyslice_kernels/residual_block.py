"""The residual block of the ResNeXt family as one operation, for training on CPUs.

    y = x + conv3(relu(bn3( conv2(relu(bn2( conv1(relu(bn1(x))) ))) )))

It computes what the plain modules compute, in a fraction of their passes over memory: one for each
convolution with the BN and ReLU before it, forward and back, one for the moments of x and one for
its gradient. Only x, a = conv1(...) and b = conv2(...) are kept for the backward pass.

Everything else (GPUs, eval mode, tensors that are not channels_last, widths that do not fill
vectors) takes the plain modules.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from anyslice_kernels.data import GROUP_WIDTHS, HALF, LANES, Grouped, Norm, Pointwise, usable

SMALLEST = 1 << 17
"""Elements of x below which the plain modules are as fast: there the calls count, not memory."""


class Conv(NamedTuple):
    """A convolution without bias.

    Attributes:
        weight: (out, in / groups, kernel, kernel).
        groups: of inputs and outputs.
        prefixes: the j-th of so many equal parts of the outputs sees the first j parts of the
            inputs only; beyond them the weight is 0, and no gradient of it is asked for.
        blocks: (outputs, inputs) of the blocks along the diagonal; as with prefixes beyond them.
    """

    weight: Tensor
    groups: int = 1
    prefixes: int = 1
    blocks: tuple[tuple[int, int], ...] = ()


def norm_of(bn: nn.BatchNorm2d, width: int) -> Norm:
    """The first `width` channels of a BN layer."""
    assert bn.running_mean is not None
    assert bn.running_var is not None
    tensors: tuple[Tensor, ...] = (bn.weight, bn.bias, bn.running_mean, bn.running_var)
    if width < bn.num_features:  # a slice of everything would cost its backward pass
        tensors = tuple(tensor[:width] for tensor in tensors)
    weight, bias, running_mean, running_var = tensors
    return Norm(weight, bias, running_mean, running_var, bn.momentum or 0.0, bn.eps)


def pays(x: Tensor, group_width: int, *, training: bool) -> bool:
    """Whether `residual_block` is both applicable to x and faster than the plain modules.

    Args:
        x: the block's input.
        group_width: channels of a group of conv2.
        training: whether the block is in training mode.
    """
    return (
        usable(x, training=training)
        and x.numel() >= SMALLEST
        and x.shape[1] % LANES == 0
        and group_width in GROUP_WIDTHS
        and x.is_contiguous(memory_format=torch.channels_last)
    )


def residual_block(x: Tensor, convs: tuple[Conv, Conv, Conv], norms: tuple[Norm, ...]) -> Tensor:
    """The block's output in training mode, (N, W, H, W) channels_last as x is.

    Args:
        x: (N, W, H, W), channels_last, W a multiple of LANES.
        convs: 1x1; 3x3 with padding 1, groups of GROUP_WIDTHS; 1x1.
        norms: the BN before each; running statistics are updated as by `nn.BatchNorm2d`.

    Raises:
        ValueError: if W or the groups' width has no kernels.
    """
    group_width = convs[1].weight.shape[1]
    if x.shape[1] % LANES or group_width not in GROUP_WIDTHS:
        raise ValueError(
            f"width {x.shape[1]} must be a multiple of {LANES}, and groups of {group_width} "
            f"channels must have one of {GROUP_WIDTHS}"
        )
    weights = [conv.weight for conv in convs]
    affine = [parameter for norm in norms for parameter in (norm.weight, norm.bias)]
    return cast(Tensor, _Block.apply(x, *weights, *affine, convs, norms))


class _Block(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, *arguments: Any) -> Tensor:
        # Importing takes half a second, so only training pays for it.
        from anyslice_kernels import grouped, pointwise
        from anyslice_kernels.norm import moments, normalise

        convs, norms = arguments[-2:]
        conv1, conv2, conv3 = _pointwise(convs[0]), _grouped(convs[1]), _pointwise(convs[2])
        x = image.permute(0, 2, 3, 1)
        norm1 = normalise(x, moments(x), norms[0])
        a, found = pointwise.forward(x, norm1, conv1)
        norm2 = normalise(a, found, norms[1])
        b, found = grouped.forward(a, norm2, conv2)
        norm3 = normalise(b, found, norms[2])
        y = pointwise.forward_residual(b, norm3, conv3, x)
        ctx.save_for_backward(x, a, b)
        ctx.layers = (norm1, conv1, norm2, conv2, norm3, conv3)
        ctx.shapes = [(conv.weight.shape, conv.groups) for conv in convs]
        ctx.widths = [norm.weight.numel() for norm in norms]
        return y.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        from anyslice_kernels import grouped, pointwise
        from anyslice_kernels.norm import add_residual, upstream_of

        x, a, b = ctx.saved_tensors
        norm1, conv1, norm2, conv2, norm3, conv3 = ctx.layers
        grad_y = grad.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)

        found3 = pointwise.backward(grad_y, None, b, norm3, conv3)
        known, *affine3 = upstream_of(b, found3, norm3)
        found2 = grouped.backward(found3.g, known, a, norm2, conv2)
        known, *affine2 = upstream_of(a, found2, norm2)
        found1 = pointwise.backward(found2.g, known, x, norm1, conv1)
        known, *affine1 = upstream_of(x, found1, norm1)
        grad_x = add_residual(found1.g, known, grad_y)

        weights = (
            _pointwise_gradient(found1.weight, *ctx.shapes[0]),
            _grouped_gradient(found2.weight, ctx.shapes[1][0]),
            _pointwise_gradient(found3.weight, *ctx.shapes[2]),
        )
        widths = (width for width in ctx.widths for _ in ("weight", "bias"))
        affine = zip((*affine1, *affine2, *affine3), widths, strict=True)
        norms = (gradient[:width] for gradient, width in affine)
        return (grad_x.permute(0, 3, 1, 2), *weights, *norms, None, None)


def _pointwise(conv: Conv) -> Pointwise:
    """A 1x1 convolution for the kernels, padded with zeros."""
    out, per_group = conv.weight.shape[:2]
    inputs = per_group * conv.groups
    blocks = conv.weight.view(conv.groups, out // conv.groups, per_group).transpose(1, 2)
    dense = blocks[0] if conv.groups == 1 else torch.block_diag(*blocks)  # type: ignore[no-untyped-call]
    padded = F.pad(dense, (0, -out % LANES, 0, -inputs % LANES)).contiguous()
    blocks_or_groups = conv.blocks or ((out // conv.groups, per_group),) * conv.groups
    return Pointwise(padded, *_reach(blocks_or_groups, conv.prefixes))


@functools.cache
def _reach(blocks: tuple[tuple[int, int], ...], prefixes: int) -> tuple[Tensor, Tensor]:
    """The inputs that LANES outputs see, and the outputs that see LANES inputs."""
    sees = torch.block_diag(*(torch.ones(block) for block in blocks)) > 0  # type: ignore[no-untyped-call]
    out, inputs = sees.shape
    output, an_input = torch.arange(out)[:, None], torch.arange(inputs)
    sees &= an_input * prefixes // inputs <= output * prefixes // out
    return _spans(sees), _spans(sees.t())


def _spans(sees: Tensor) -> Tensor:
    """From the first to the last column that is true in any of LANES rows; how many rows."""
    spans = []
    for rows in torch.split(sees, LANES):
        columns = rows.any(0).nonzero()
        first, last = int(columns.min()), int(columns.max())
        spans.append((first // HALF * HALF, (last // HALF + 1) * HALF, len(rows)))
    return torch.tensor(spans)


def _pointwise_gradient(grad: Tensor, shape: torch.Size, groups: int) -> Tensor:
    """The gradient of the weight that `_pointwise` padded."""
    out, per_group = shape[:2]
    blocks = grad[: per_group * groups, :out].reshape(groups, per_group, groups, out // groups)
    return blocks.diagonal(dim1=0, dim2=2).permute(2, 1, 0).reshape(shape)


def _grouped(conv: Conv) -> Grouped:
    """A 3x3 convolution for the kernels, padded with zeros."""
    out, width = conv.weight.shape[:2]
    back = conv.weight.view(conv.groups, width, width, 3, 3).transpose(1, 2).flip(3, 4)
    return Grouped(_in_lanes(conv.weight), _in_lanes(back.reshape(out, width, 3, 3)), out)


def _in_lanes(weight: Tensor) -> Tensor:
    """(out, width, 3, 3) as (out / LANES, 3, 3, width, LANES)."""
    out, width = weight.shape[:2]
    padded = F.pad(weight, (0, 0, 0, 0, 0, 0, 0, -out % LANES))
    return padded.view(-1, LANES, width, 3, 3).permute(0, 3, 4, 2, 1).contiguous()


def _grouped_gradient(grad: Tensor, shape: torch.Size) -> Tensor:
    """The gradient of the weight that `_in_lanes` packed."""
    out, width = shape[:2]
    return grad.permute(0, 4, 3, 1, 2).reshape(-1, width, 3, 3)[:out]
