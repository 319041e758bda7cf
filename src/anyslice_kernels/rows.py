"""The passes of BN and ReLU alone, on maps of any width.

Here features are matrices (pixels, channels) whose rows may lie further apart than they are long:
some channels of wider features. Maps of few channels are taken as ones of `times` as many, with so
many pixels side by side, so that they fill whole vectors; what is found of such channels (C times)
is of C channels, `times` over.

A direction is one call, whose threads wait for each other between its phases: these maps are so
small that more calls would take longer than the work.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit
from torch import Tensor

from anyslice_kernels.data import LANES, Norm
from anyslice_kernels.elementwise import norm_relu_gradient, sums_through_relu
from anyslice_kernels.parts import (
    PARTS,
    TILE,
    activate_tile,
    at,
    matrix_at,
    rows_of,
    scratch_of,
    step,
    take_in,
    to_moments,
    vector_at,
)
from anyslice_kernels.threads import call, is_mine, parts_taken, task_at, wait

SCALE, SHIFT, MEAN, INVERSE = range(4)
"""Rows of `Activated.statistics`; the inverse is 1 / standard deviation."""


class Activated(NamedTuple):
    """What the backward pass needs of the forward one.

    Attributes:
        x: (pixels, C).
        statistics: (4, C times), see SCALE.
        times: pixels that were taken as one.
    """

    x: Tensor
    statistics: Tensor
    times: int


def pixels_side_by_side(*matrices: Tensor) -> int:
    """How many pixels of matrices (pixels, C) are best taken as one, so that they fill vectors.

    1 where there are many channels, where rows lie apart, or where parts would not have equally
    many pixels.
    """
    pixels, channels = matrices[0].shape
    times = LANES // math.gcd(channels, LANES)
    fits = channels <= 2 * LANES and pixels % (PARTS * times) == 0
    return times if fits and all(matrix.is_contiguous() for matrix in matrices) else 1


def norm_relu(x: Tensor, norm: Norm, out: Tensor) -> Activated:
    """`out = relu(bn(x))`, both (pixels, C); the running statistics are updated."""
    times = pixels_side_by_side(x, out)
    width = x.shape[1] * times
    sizes = _sizes(x, times)
    statistics = x.new_empty(4, width)
    sums = x.new_empty(sizes["parts"], 5 * width)
    call(
        _run_forward,
        x.dtype,
        **sizes,
        room=5 * width,
        scratch=sums.data_ptr(),
        x=x.data_ptr(),
        x_row=x.stride(0) * times,
        out=out.data_ptr(),
        out_row=out.stride(0) * times,
        scale=statistics.data_ptr(),
        weight=norm.weight.data_ptr(),
        bias=norm.bias.data_ptr(),
        running_mean=norm.running_mean.data_ptr(),
        running_var=norm.running_var.data_ptr(),
        momentum=norm.momentum,
        eps=norm.eps,
    )
    return Activated(x, statistics, times)


def norm_relu_backward(
    g: Tensor, of: Activated, add_to: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of x (pixels, C), and of the BN's weight and bias, from that of the result.

    With n pixels, all sums over them, and g the gradient after the ReLU:
    dx = scale (g - sum of g / n - (x - mean) inverse^2 sum of g (x - mean) / n)
       = scale g + slope x + offset

    Args:
        g: (pixels, C), in memory as it may be.
        of: what the forward pass left.
        add_to: (pixels, C), what the gradient of x is added to; then that is what is returned.
    """
    x, every = of.x, (of.x, g) if add_to is None else (of.x, g, add_to)
    times = min(of.times, pixels_side_by_side(*every))
    channels, width = x.shape[1], x.shape[1] * times
    sizes = _sizes(x, times)
    out = x.new_empty(x.shape) if add_to is None else add_to
    affine = x.new_empty(2, channels)
    lines = x.new_empty(2, width)
    scratch = x.new_empty(sizes["parts"], 2 * width)
    call(
        _run_backward,
        x.dtype,
        **sizes,
        room=2 * width,
        scratch=scratch.data_ptr(),
        x=x.data_ptr(),
        x_row=x.stride(0) * times,
        g=g.data_ptr(),
        g_row=g.stride(0) * times,
        out=out.data_ptr(),
        out_row=out.stride(0) * times,
        residual=0 if add_to is None else add_to.data_ptr(),
        scale=of.statistics.data_ptr(),
        summed=of.statistics.shape[1],
        slope=lines.data_ptr(),
        weight=affine.data_ptr(),
    )
    return out, affine[0], affine[1]


def _sizes(x: Tensor, times: int) -> dict[str, int]:
    pixels, channels = x.shape
    images = pixels // times
    return {
        "parts": min(PARTS, images),
        "images": images,
        "height": 1,
        "width": 1,
        "inputs": channels * times,
        "used": channels,
        "times": times,
    }


def rows(features: Tensor) -> Tensor:
    """(N, C, H, W) as (pixels, C), without a copy if the channels of a pixel lie together."""
    matrix = features.permute(0, 2, 3, 1).flatten(0, 2)
    return matrix if matrix.stride(1) == 1 else matrix.contiguous()


def as_features(matrix: Tensor, shape: torch.Size) -> Tensor:
    """The other way round: a view of shape (N, C, H, W)."""
    images, _, height, width = shape
    return matrix.view(images, height, width, -1).permute(0, 3, 1, 2)


@njit
def _moments(task: Any, part: int) -> None:
    x = rows_of(task.x, task, part, task.inputs, task.x_row)
    work = scratch_of(task, part, 0, 5, task.inputs)
    work[3:] = 0
    for start in range(0, x.shape[0], TILE):
        take_in(x[start : start + TILE], start, work[:3], work[3], work[4])
    to_moments(x.shape[0], work[0], work[3], work[4])


@njit
def _normalise(task: Any) -> None:
    """Mean, variance, scale and shift of each channel, from the moments of all parts."""
    channels, pixels = task.used, task.images * task.times
    statistics = matrix_at(task.scale, task, 4, task.inputs)
    weight, bias = vector_at(task.weight, task, channels), vector_at(task.bias, task, channels)
    running_mean = vector_at(task.running_mean, task, channels)
    running_var = vector_at(task.running_var, task, channels)
    for c in range(channels):
        total, about_mean = 0.0, 0.0
        for part in range(task.parts):
            means = scratch_of(task, part, 3 * task.inputs, 1, task.inputs)[0]
            for t in range(task.times):
                total += _images_of_part(task, part) * means[t * channels + c]
        mean = total / pixels
        for part in range(task.parts):
            means, squares = scratch_of(task, part, 3 * task.inputs, 2, task.inputs)
            for t in range(task.times):
                distance = means[t * channels + c] - mean
                about_mean += squares[t * channels + c]
                about_mean += _images_of_part(task, part) * distance**2
        inverse = 1 / np.sqrt(about_mean / pixels + task.eps)
        for t in range(task.times):
            statistics[SCALE, t * channels + c] = weight[c] * inverse
            statistics[SHIFT, t * channels + c] = bias[c] - mean * weight[c] * inverse
            statistics[MEAN, t * channels + c] = mean
            statistics[INVERSE, t * channels + c] = inverse
        running_mean[c] += task.momentum * (mean - running_mean[c])
        unbiased = about_mean / max(1, pixels - 1)
        running_var[c] += task.momentum * (unbiased - running_var[c])


@njit
def _images_of_part(task: Any, part: int) -> int:
    return (part + 1) * task.images // task.parts - part * task.images // task.parts  # type: ignore[no-any-return]


@njit
def _activate(task: Any, part: int) -> None:
    statistics = matrix_at(task.scale, task, 4, task.inputs)
    x = rows_of(task.x, task, part, task.inputs, task.x_row)
    out = rows_of(task.out, task, part, task.inputs, task.out_row)
    activate_tile(x, statistics[SCALE], statistics[SHIFT], out)


@njit
def _sums(task: Any, part: int) -> None:
    statistics = matrix_at(task.scale, task, 4, task.summed)
    x = rows_of(task.x, task, part, task.inputs, task.x_row)
    g = rows_of(task.g, task, part, task.inputs, task.g_row)
    sums, products = scratch_of(task, part, 0, 2, task.inputs)
    sums[:], products[:] = 0, 0
    vectors = (at(statistics[SCALE], 0), at(statistics[SHIFT], 0), at(statistics[MEAN], 0))
    places = (at(x, 0), step(x), *vectors, at(sums, 0), at(products, 0))
    sums_through_relu((at(g, 0), step(g), task.inputs, g.shape[0], *places), g.dtype.type(0))


@njit
def _lines(task: Any) -> None:
    """Slope and offset of each channel, and the gradients of weight and bias, from all parts."""
    channels, pixels = task.used, task.images * task.times
    statistics = matrix_at(task.scale, task, 4, task.summed)
    lines = matrix_at(task.slope, task, 2, task.inputs)
    affine = matrix_at(task.weight, task, 2, channels)
    for c in range(channels):
        total, product = 0.0, 0.0
        for part in range(task.parts):
            sums, products = scratch_of(task, part, 0, 2, task.inputs)
            for t in range(task.times):
                total += sums[t * channels + c]
                product += products[t * channels + c]
        scale, inverse = statistics[SCALE, c], statistics[INVERSE, c]
        affine[0, c], affine[1, c] = product * inverse, total
        slope = -scale * inverse**2 * product / pixels
        for t in range(task.times):
            lines[0, t * channels + c] = slope
            lines[1, t * channels + c] = -scale * total / pixels - slope * statistics[MEAN, c]


@njit
def _gradient(task: Any, part: int) -> None:
    statistics = matrix_at(task.scale, task, 4, task.summed)
    lines = matrix_at(task.slope, task, 2, task.inputs)
    x = rows_of(task.x, task, part, task.inputs, task.x_row)
    g = rows_of(task.g, task, part, task.inputs, task.g_row)
    out = rows_of(task.out, task, part, task.inputs, task.out_row)
    vectors = (at(statistics[SCALE], 0), at(statistics[SHIFT], 0), at(lines[0], 0), at(lines[1], 0))
    places = (at(x, 0), step(x), *vectors, at(out, 0), step(out))
    arguments = (at(g, 0), step(g), task.inputs, g.shape[0], *places)
    if task.residual == 0:
        norm_relu_gradient(arguments, g.dtype.type(0))
    else:
        norm_relu_gradient((*arguments, at(out, 0), step(out)), g.dtype.type(0))


def _run_forward(pointer: Any) -> None:
    task = task_at(pointer)
    for part in parts_taken(pointer):
        _moments(task, part)
    wait(task.barrier)
    if is_mine(pointer, 1):
        _normalise(task)
    wait(task.barrier)
    for part in parts_taken(pointer, 2):
        _activate(task, part)


def _run_backward(pointer: Any) -> None:
    task = task_at(pointer)
    for part in parts_taken(pointer):
        _sums(task, part)
    wait(task.barrier)
    if is_mine(pointer, 1):
        _lines(task)
    wait(task.barrier)
    for part in parts_taken(pointer, 2):
        _gradient(task, part)
