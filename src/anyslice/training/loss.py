"""The joint losses: equation (1) over sub-networks, equation (2) over levels as well."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from anyslice.networks.base import AnytimeNetwork, Logits
from anyslice.networks.heads import levels

Reduction = Literal["sum", "mean"]


def subnetwork_loss(logits: Logits, labels: Tensor) -> Tensor:
    """Cross entropy of one sub-network, summed over its D levels (the inner sum of equation 2).

    Args:
        logits: (N, classes), or a tuple of D such tensors.
        labels: (D, N), fine to coarse.

    Returns:
        A scalar: the mean over the N images.
    """
    losses = [F.cross_entropy(out, y) for out, y in zip(levels(logits), labels, strict=True)]
    return torch.stack(losses).sum()


def joint_backward(
    network: AnytimeNetwork, images: Tensor, labels: Tensor, reduction: Reduction
) -> Tensor:
    """Accumulate the gradient of the joint loss, pass by pass, in the network's parameters.

    Args:
        images: (N, channels, H, W).
        labels: (D, N).
        reduction: "sum" over the sub-networks as in equation (1), or "mean".

    Returns:
        The K losses of the sub-networks, detached, on the images' device.
    """
    weight = 1 / network.K if reduction == "mean" else 1.0
    losses: dict[int, Tensor] = {}
    for group in network.passes(images):
        in_group = {k: subnetwork_loss(logits, labels) for k, logits in group}
        (torch.stack(list(in_group.values())).sum() * weight).backward()  # type: ignore[no-untyped-call]
        losses |= {k: loss.detach() for k, loss in in_group.items()}
    return torch.stack([losses[k] for k in sorted(losses)])


def labels_by_level(labels: Tensor, level_maps: Tensor) -> Tensor:
    """The label of each image at each level.

    Args:
        labels: (N,) fine labels.
        level_maps: (D, classes), for each level the label of every class; on the labels' device.

    Returns:
        (D, N).
    """
    return level_maps[:, labels]
