"""BN between the convolutions: moments, scale and shift, and their way back."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from anyslice_kernels import threads
from anyslice_kernels.data import Found, Moments, Norm, Normalised, Upstream
from anyslice_kernels.elementwise import upstream
from anyslice_kernels.parts import (
    PARTS,
    TILE,
    at,
    matrix_at,
    pixels_of,
    scratch_of,
    step,
    sums_of,
    take_in,
    to_moments,
    vector_at,
)
from anyslice_kernels.threads import parts_taken, task_at


def sizes_of(x: Tensor, **others: int) -> dict[str, int]:
    """The integers of a task on x (N, H, W, C)."""
    images, height, width, channels = x.shape
    sizes = {"images": images, "height": height, "width": width, "inputs": channels}
    return {"parts": min(PARTS, images)} | sizes | others


def room_for_moments(x: Tensor, sizes: dict[str, int]) -> Moments:
    """Where a pass over (parts of) x puts the moments."""
    means, squares = x.new_empty(2, sizes["parts"], x.shape[3]).unbind()
    return Moments(means, squares)


def moments(x: Tensor) -> Moments:
    """The moments of x (N, H, W, C)."""
    sizes = sizes_of(x, room=3 * x.shape[3])
    found = room_for_moments(x, sizes)
    scratch = x.new_empty(sizes["parts"], sizes["room"])
    threads.run(_run_moments, sizes, {"x": x, "scratch": scratch} | found._asdict())
    return found


def normalise(x: Tensor, found: Moments, norm: Norm) -> Normalised:
    """The BN of x (N, H, W, C); channels of x beyond the BN's become 0.

    Args:
        x: for its shape.
        found: the moments of x.
        norm: its running statistics are updated.
    """
    normalised = Normalised(*x.new_empty(4, x.shape[3]).unbind())
    sizes = sizes_of(x, summed=len(found.means), used=len(norm.weight)) | {"parts": 1}
    tensors = {name: value for name, value in norm._asdict().items() if torch.is_tensor(value)}
    reals = {"momentum": norm.momentum, "eps": norm.eps}
    tensors |= found._asdict() | normalised._asdict()
    threads.run(_run_normalise, sizes | reals, tensors)
    return normalised


def upstream_of(x: Tensor, found: Found, norm: Normalised) -> tuple[Upstream, Tensor, Tensor]:
    """The gradient of x, through mean and variance too, and those of the BN's weight and bias.

    With n pixels, all sums over them:
    dx = scale (g - sum of g / n - (x - mean) inverse^2 sum of g (x - mean) / n)
       = scale g + slope x + offset

    Args:
        x: (N, H, W, C), the features that were normalised.
        found: the gradient of scale x + shift.
        norm: what was done to x.
    """
    slope, offset, weight, bias = x.new_empty(4, x.shape[3]).unbind()
    sizes = sizes_of(x, summed=len(found.sums)) | {"parts": 1}
    tensors = norm._asdict() | {"sums": found.sums, "products": found.products}
    tensors |= {"slope": slope, "offset": offset, "weight": weight, "bias": bias}
    threads.run(_run_upstream, sizes, tensors)
    return Upstream(x, norm.scale, slope, offset), weight, bias


def add_residual(g: Tensor, known: Upstream, residual: Tensor) -> Tensor:
    """Overwrite g by gain g + slope y + offset + residual."""
    tensors = {"g": g, "residual": residual} | known._asdict()
    threads.run(_run_add_residual, sizes_of(g), tensors)
    return g


@njit
def _moments(task: Any, part: int) -> None:
    x = pixels_of(task.x, task, part, task.inputs)
    sums = sums_of(task.means, task, part, task.inputs)
    squares = sums_of(task.squares, task, part, task.inputs)
    work = scratch_of(task, part, 0, 3, task.inputs)
    for start in range(0, x.shape[0], TILE):
        take_in(x[start : start + TILE], start, work, sums, squares)
    to_moments(x.shape[0], work[0], sums, squares)


@njit
def _normalise(task: Any) -> None:
    channels, parts, pixels = task.inputs, task.summed, task.images * task.height * task.width
    means = matrix_at(task.means, task, parts, channels)
    squares = matrix_at(task.squares, task, parts, channels)
    scale, shift = vector_at(task.scale, task, channels), vector_at(task.shift, task, channels)
    mean, inverse = vector_at(task.mean, task, channels), vector_at(task.inverse, task, channels)
    weight, bias = vector_at(task.weight, task, task.used), vector_at(task.bias, task, task.used)
    running_mean = vector_at(task.running_mean, task, task.used)
    running_var = vector_at(task.running_var, task, task.used)
    for c in range(channels):
        total, about_mean = 0.0, 0.0
        for part in range(parts):
            total += _pixels_of_part(task, part) * means[part, c]
        for part in range(parts):
            distance = means[part, c] - total / pixels
            about_mean += squares[part, c] + _pixels_of_part(task, part) * distance**2
        mean[c] = total / pixels
        inverse[c] = 1 / np.sqrt(about_mean / pixels + task.eps)
        scale[c], shift[c] = 0, 0
        if c < task.used:
            scale[c] = weight[c] * inverse[c]
            shift[c] = bias[c] - mean[c] * scale[c]
            unbiased = about_mean / max(1, pixels - 1)
            running_mean[c] += task.momentum * (mean[c] - running_mean[c])
            running_var[c] += task.momentum * (unbiased - running_var[c])


@njit
def _pixels_of_part(task: Any, part: int) -> int:
    first, end = part * task.images // task.summed, (part + 1) * task.images // task.summed
    return (end - first) * task.height * task.width  # type: ignore[no-any-return]


@njit
def _upstream(task: Any) -> None:
    channels, parts, pixels = task.inputs, task.summed, task.images * task.height * task.width
    sums = matrix_at(task.sums, task, parts, channels)
    products = matrix_at(task.products, task, parts, channels)
    scale, mean = vector_at(task.scale, task, channels), vector_at(task.mean, task, channels)
    inverse = vector_at(task.inverse, task, channels)
    slope, offset = vector_at(task.slope, task, channels), vector_at(task.offset, task, channels)
    weight, bias = vector_at(task.weight, task, channels), vector_at(task.bias, task, channels)
    for c in range(channels):
        total, product = 0.0, 0.0
        for part in range(parts):
            total += sums[part, c]
            product += products[part, c]
        weight[c], bias[c] = product * inverse[c], total
        slope[c] = -scale[c] * inverse[c] ** 2 * product / pixels
        offset[c] = -scale[c] * total / pixels - slope[c] * mean[c]


@njit
def _add_residual(task: Any, part: int) -> None:
    g = pixels_of(task.g, task, part, task.inputs)
    y = pixels_of(task.y, task, part, task.inputs)
    residual = pixels_of(task.residual, task, part, task.inputs)
    places = (at(y, 0), step(y), task.gain, task.slope, task.offset, at(g, 0), step(g))
    rows = (task.inputs, g.shape[0], *places, at(residual, 0), step(residual))
    upstream((at(g, 0), step(g), *rows), g.dtype.type(0))


def _run_moments(pointer: Any) -> None:
    task = task_at(pointer)
    for part in parts_taken(pointer):
        _moments(task, part)


def _run_normalise(pointer: Any) -> None:
    _normalise(task_at(pointer))


def _run_upstream(pointer: Any) -> None:
    _upstream(task_at(pointer))


def _run_add_residual(pointer: Any) -> None:
    task = task_at(pointer)
    for part in parts_taken(pointer):
        _add_residual(task, part)
