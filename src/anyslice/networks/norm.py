"""Slices of batch normalisation layers."""

from __future__ import annotations

import torch
from torch import nn


def copy_norm(target: nn.BatchNorm2d, source: nn.BatchNorm2d, channels: slice) -> None:
    """Give `target` the parameters and statistics of some channels of `source`."""
    with torch.no_grad():
        for name, mine in target.state_dict().items():
            theirs = source.state_dict()[name]
            mine.copy_(theirs[channels] if theirs.dim() else theirs)
