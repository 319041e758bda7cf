"""What the kernels take and return, and when; without Numba, which takes half a second to load."""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec
from typing import NamedTuple

import torch
from torch import Tensor
from torch.overrides import has_torch_function

LANES = 16
"""Channels in a vector: a register of AVX-512, two of AVX2, four of NEON, in float32."""

HALF = 8
"""Channels of a vector up to which only its first half is multiplied."""

ROWS = 16
"""Rows of a matrix that are multiplied at a time."""

PIXELS = 8
"""Pixels of a row that are convolved at a time."""

GROUP_WIDTHS = (4, 8, 16)
"""Channels in a group of a 3x3 convolution for which there are kernels."""


class Norm(NamedTuple):
    """The channels of a BN layer that a sub-network uses; the statistics are updated in place."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor
    momentum: float
    eps: float


class Pointwise(NamedTuple):
    """A 1x1 convolution.

    Attributes:
        weight: (inputs, outputs), both multiples of LANES.
        reach: int64 (outputs / LANES, 3): the first input that any of LANES outputs sees, and the
            one after the last, multiples of HALF, beyond which the weight is not read; how many of
            the outputs are not padding.
        reach_back: int64 (inputs / LANES, 3): the same of the outputs that see LANES inputs.
    """

    weight: Tensor
    reach: Tensor
    reach_back: Tensor


class Grouped(NamedTuple):
    """A 3x3 convolution with padding 1, in groups of a width of GROUP_WIDTHS.

    Attributes:
        weight: (channels / LANES, 3, 3, width, LANES); the last is the output.
        weight_back: the weight of the convolution that takes gradients back, of the same shape.
        used: channels that are not padding.
    """

    weight: Tensor
    weight_back: Tensor
    used: int


class Moments(NamedTuple):
    """Of features, by parts of the images.

    Attributes:
        means: (parts, C).
        squares: sums of the squared distances to the mean, (parts, C).
    """

    means: Tensor
    squares: Tensor


class Normalised(NamedTuple):
    """BN of given features, scale x + shift; all are (C,).

    Attributes:
        scale: see above.
        shift: see above.
        mean: of x.
        inverse: 1 / standard deviation of x.
    """

    scale: Tensor
    shift: Tensor
    mean: Tensor
    inverse: Tensor


class Found(NamedTuple):
    """What the backward pass of a convolution finds.

    Attributes:
        g: the gradient of scale x + shift, of x's shape.
        sums: of g over the pixels of each part, (parts, C).
        products: the sums of g (x - mean), (parts, C).
        weight: the gradient of the weight, of its shape.
    """

    g: Tensor
    sums: Tensor
    products: Tensor
    weight: Tensor


class Upstream(NamedTuple):
    """The gradient of features y as gain g + slope y + offset, all but y (C,); g is known."""

    y: Tensor
    gain: Tensor
    slope: Tensor
    offset: Tensor


@cache
def _installed() -> bool:
    return find_spec("numba") is not None


def usable(x: Tensor, *, training: bool) -> bool:
    """Whether there are kernels for training on x.

    Not in reduced precision, for which there are none, nor while someone overrides torch's
    functions, as training in several processes does for BN. NUMBA_DISABLE_JIT switches them off.
    """
    return (
        training
        and x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.float64)
        and not torch.is_autocast_enabled("cpu")
        and not has_torch_function((x,))
        and os.environ.get("NUMBA_DISABLE_JIT", "0") == "0"
        and _installed()
    )
