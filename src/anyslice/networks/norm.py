"""Batch normalisation layers, whole and in slices of their channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anyslice_kernels import norm_relu as fused


def bn_relu(features: Tensor, bn: nn.BatchNorm2d) -> Tensor:
    """relu(bn(features)), as the modules compute it."""
    if not fused.pays(features, training=bn.training):
        return F.relu(bn(features))
    assert bn.num_batches_tracked is not None
    bn.num_batches_tracked.add_(1)
    return fused.norm_relu(features, fused.norm_of(bn))


def norm_relu(features: Tensor, bn: nn.BatchNorm2d, channels: slice, *, training: bool) -> Tensor:
    """relu(bn(features)) with the given channels of `bn`; (N, channels, H, W) to the same shape."""
    assert bn.running_mean is not None
    assert bn.running_var is not None
    normalised = F.batch_norm(
        features,
        bn.running_mean[channels],
        bn.running_var[channels],
        bn.weight[channels],
        bn.bias[channels],
        training=training,
        momentum=bn.momentum or 0.0,
        eps=bn.eps,
    )
    return F.relu(normalised)


def copy_norm(target: nn.BatchNorm2d, source: nn.BatchNorm2d, channels: slice) -> None:
    """Give `target` the parameters and statistics of some channels of `source`."""
    with torch.no_grad():
        for name, mine in target.state_dict().items():
            theirs = source.state_dict()[name]
            mine.copy_(theirs[channels] if theirs.dim() else theirs)
