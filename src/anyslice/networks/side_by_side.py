"""All sub-networks of an I-ResNeXt side by side in one pass, for training on CPUs.

The features of the K passes lie next to each other, [x_1; x_3; x_4; x_2] for K = 4, and a block's
convolutions hold those of all passes,

    conv1, conv3    the slices of the shared weight along the diagonal of a matrix
    conv2           the groups of all passes, one after the other

so that narrow sub-networks share vectors, and calls. It computes what the passes compute one after
the other, in K times their memory; but a number that is not finite reaches all sub-networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anyslice.networks.base import Logits
from anyslice_kernels import residual_block as fused
from anyslice_kernels.data import Norm

if TYPE_CHECKING:
    from anyslice.networks.resnext import Block, IResNeXt

LARGEST = 1 << 22
"""Elements of the K stem outputs up to which it pays: it is for memory that K times is little."""


def pays(network: IResNeXt, x: Tensor) -> bool:
    """Whether `logits` is applicable to the stem's output x, and faster than K passes.

    A BN that sub-networks share takes the statistics of one pass after the other.
    """
    return (
        network.K > 1
        and network.K * x.numel() <= LARGEST
        and network.params.batch_norm == "independent"
        and fused.pays(x, network.params.B, training=network.training)
    )


def logits(network: IResNeXt, x: Tensor) -> list[tuple[int, Logits]]:
    """(k, logits) of all sub-networks, thinnest first, from the stem's output x."""
    order = _order(network.K)
    pixels = x.permute(0, 2, 3, 1)[..., None, :].expand(-1, -1, -1, network.K, -1)
    x = pixels.flatten(3).permute(0, 3, 1, 2)
    for s, blocks in enumerate(network.blocks()):
        x = _downscale(x, blocks[0].conv1.in_channels, network.K) if s else x
        for block in blocks:
            x = _block(block, x, order)
    features = (
        part.contiguous(memory_format=torch.channels_last) for part in x.chunk(network.K, 1)
    )
    of_k = dict(zip(order, features, strict=True))
    return [(k, network.heads[k - 1](of_k[k])) for k in sorted(order)]


def _order(K: int) -> list[int]:
    """Pairs k, K - k, together as wide as K, so that they fill vectors as it does; the rest."""
    pairs = [k for smaller in range(1, (K + 1) // 2) for k in (smaller, K - smaller)]
    return [*pairs, K, *([K // 2] if K % 2 == 0 else [])]


def _downscale(x: Tensor, width: int, K: int) -> Tensor:
    """`stem.downscale` of each of K passes, channels_last, to (N, K width, H // 2, W // 2)."""
    pooled = F.avg_pool2d(x, 2).permute(0, 2, 3, 1)
    of_each = pooled.reshape(*pooled.shape[:3], K, -1)
    return F.pad(of_each, (0, width - of_each.shape[4])).flatten(3).permute(0, 3, 1, 2)


def _block(block: Block, x: Tensor, order: Sequence[int]) -> Tensor:
    widths = [block.widths[k - 1] for k in order]
    W = block.conv1.in_channels
    conv1 = torch.block_diag(*(block.conv1.weight[:width, :, 0, 0] for width in widths))  # type: ignore[no-untyped-call]
    conv2 = torch.cat([block.conv2.weight[:width] for width in widths])
    conv3 = torch.block_diag(*(block.conv3.weight[:, :width, 0, 0] for width in widths))  # type: ignore[no-untyped-call]
    layers = [[norm.of(k) for k in order] for norm in (block.norm1, block.norm2, block.norm3)]
    norms = [_norm(of_one) for of_one in layers]
    y = fused.residual_block(
        x,
        (
            fused.Conv(conv1[:, :, None, None], blocks=tuple((width, W) for width in widths)),
            fused.Conv(conv2, groups=sum(block.cardinalities)),
            fused.Conv(conv3[:, :, None, None], blocks=tuple((W, width) for width in widths)),
        ),
        tuple(norms),
    )
    for norm, of_one in zip(norms, layers, strict=True):
        _keep_statistics(norm, of_one)
    return y


def _norm(layers: Sequence[nn.BatchNorm2d]) -> Norm:
    """The BN layers as one, with copies of their running statistics."""
    all_of_them = [fused.norm_of(layer, layer.num_features) for layer in layers]
    return Norm(
        weight=torch.cat([norm.weight for norm in all_of_them]),
        bias=torch.cat([norm.bias for norm in all_of_them]),
        running_mean=torch.cat([norm.running_mean for norm in all_of_them]),
        running_var=torch.cat([norm.running_var for norm in all_of_them]),
        momentum=all_of_them[0].momentum,
        eps=all_of_them[0].eps,
    )


def _keep_statistics(norm: Norm, layers: Sequence[nn.BatchNorm2d]) -> None:
    widths = [layer.num_features for layer in layers]
    for name in ("running_mean", "running_var"):
        theirs = [getattr(layer, name) for layer in layers]
        torch._foreach_copy_(theirs, list(getattr(norm, name).split(widths)))
