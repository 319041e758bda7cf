"""Convolutions on a GPU by the kernels that are both deterministic and fast.

Where cuDNN may only choose among deterministic kernels, the gradients of 1x1 and of grouped
convolutions in channels_last memory are several times as slow as the rest of a step. A 1x1
convolution is a matrix product, for which cuBLAS is deterministic; and a grouped convolution of few
channels is faster as an ordinary one whose weight holds zeros. `benchmarks/gpu.py`
measures what that brings.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

WIDEST = 384
"""Output channels up to which a grouped convolution becomes an ordinary one: the widest measured.
Beyond, multiplying the zeros would cost more than it saves."""


class FastConvolutions(TorchFunctionMode):
    """While active, F.conv2d takes the ways above; its results are the same up to rounding."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Replace F.conv2d, pass on all else."""
        kwargs = kwargs or {}
        return (conv2d if func is F.conv2d else func)(*args, **kwargs)


def fast_convolutions(device: torch.device) -> AbstractContextManager[Any]:
    """For training and evaluation on a device: FastConvolutions on a GPU, nothing elsewhere."""
    return FastConvolutions() if device.type == "cuda" else nullcontext()


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """F.conv2d, (N, C, H, W) to (N, C', H', W')."""
    if groups > 1 and len(weight) <= WIDEST:
        weight, groups = ungrouped(weight, groups), 1
    plain = {stride, padding, dilation} <= {0, 1, (0, 0), (1, 1)} and padding in (0, (0, 0))
    if groups > 1 or weight.shape[2:] != (1, 1) or not plain:
        return F.conv2d(input, weight, bias, stride, padding, dilation, groups)
    return F.linear(input.permute(0, 2, 3, 1), weight.flatten(1), bias).permute(0, 3, 1, 2)


def ungrouped(weight: Tensor, groups: int) -> Tensor:
    """A grouped convolution's weight, (out, in / groups, kernel, kernel), as (out, in, ...).

    It is zero where an output's group does not see an input.
    """
    out, inner, *kernel = weight.shape
    by_group = weight.view(groups, out // groups, inner, *kernel).permute(1, 2, 3, 4, 0)
    blocks = torch.diag_embed(
        by_group
    )  # (out / groups, in / groups, kernel, kernel, groups, groups)
    whole = blocks.permute(4, 0, 5, 1, 2, 3).reshape(out, groups * inner, *kernel)
    return whole.contiguous(memory_format=torch.channels_last)
