"""The passes of a grouped 3x3 convolution with the BN and ReLU before it.

They go row by row through LANES channels at a time, of which a few rows of pixels are kept, with a
pixel of zeros on both sides: row y is at y % 3, and the last, ROWS_KEPT - 1, is always 0.
"""

from __future__ import annotations

from typing import Any

import torch
from numba import njit
from torch import Tensor

from anyslice_kernels import threads
from anyslice_kernels.data import (
    HALF,
    LANES,
    PIXELS,
    Found,
    Grouped,
    Moments,
    Normalised,
    Upstream,
)
from anyslice_kernels.elementwise import activate, fetch, through_relu, upstream
from anyslice_kernels.norm import room_for_moments, sizes_of
from anyslice_kernels.parts import (
    TILE,
    at,
    images_of,
    pixels_of,
    scratch_of,
    step,
    sums_of,
    take_in,
    to_moments,
    vector_at,
)
from anyslice_kernels.products import (
    grouped,
    grouped_at_one,
    grouped_half,
    grouped_weight,
    grouped_weight_half,
)
from anyslice_kernels.threads import parts_taken, task_at

ROWS_KEPT = 4


def forward(x: Tensor, norm: Normalised, conv: Grouped) -> tuple[Tensor, Moments]:
    """conv(relu(scale x + shift)), of x's shape, and its moments."""
    y = torch.empty_like(x)
    kept = ROWS_KEPT * (x.shape[2] + 2) * LANES
    sizes = sizes_of(x, group=conv.weight.shape[3], used=conv.used, room=kept + 3 * x.shape[3])
    found = room_for_moments(y, sizes)
    tensors = {"x": x, "y": y, "weight": conv.weight} | norm._asdict() | found._asdict()
    tensors["scratch"] = x.new_empty(sizes["parts"], sizes["room"])
    threads.run(_run_forward, sizes, tensors)
    return y, found


def backward(g: Tensor, known: Upstream, x: Tensor, norm: Normalised, conv: Grouped) -> Found:
    """The gradients; that of the result is known from g."""
    kept = 2 * ROWS_KEPT * (x.shape[2] + 2) * LANES
    sizes = sizes_of(x, group=conv.weight.shape[3], used=conv.used, room=kept)
    sums, products = x.new_empty(2, sizes["parts"], x.shape[3]).unbind()
    grad_weight = x.new_empty(sizes["parts"], *conv.weight.shape)
    out = torch.empty_like(x)
    tensors = {"x": x, "g": g, "out": out, "weight": conv.weight_back} | norm._asdict()
    tensors |= known._asdict() | {"sums": sums, "products": products, "grad_weight": grad_weight}
    tensors["scratch"] = x.new_empty(sizes["parts"], sizes["room"])
    threads.run(_run_backward, sizes, tensors)
    return Found(out, sums, products, grad_weight.sum(0))


@njit
def _kept_rows(task: Any, part: int, start: int) -> Any:
    rows = scratch_of(task, part, start, ROWS_KEPT * (task.width + 2), LANES)
    rows[:] = 0
    return rows.reshape(ROWS_KEPT, task.width + 2, LANES)


@njit
def _convolve_row(task: Any, rows: Any, y: int, weight: Any, out: Any, v: int) -> None:
    """LANES channels of row y of the convolution.

    Args:
        task: for the sizes.
        rows: (ROWS_KEPT, width + 2, LANES), of which y - 1, y and y + 1 are there.
        y: the row.
        weight: (3, 3, group, LANES).
        out: (width, channels), the row of the result.
        v: which LANES channels.
    """
    zero, pixel = rows.dtype.type(0), LANES * rows.itemsize
    above = at(rows[(y - 1) % 3 if y > 0 else ROWS_KEPT - 1], 0)
    here = at(rows[y % 3], 0)
    below = at(rows[(y + 1) % 3 if y + 1 < task.height else ROWS_KEPT - 1], 0)
    target, w = at(out, v * LANES), weight.ctypes.data
    whole = task.width // PIXELS * PIXELS
    for p in range(0, whole, PIXELS):
        places = (above + p * pixel, here + p * pixel, below + p * pixel, w)
        if task.used - v * LANES <= HALF:
            grouped_half((task.group, *places, target + p * step(out), step(out)), zero)
        else:
            grouped((task.group, *places, target + p * step(out), step(out)), zero)
    for p in range(whole, task.width):
        places = (above + p * pixel, here + p * pixel, below + p * pixel, w)
        grouped_at_one((task.group, *places, target + p * step(out), step(out)), zero)


@njit
def _add_weight_gradient(task: Any, z: Any, g: Any, y: int, out: Any, v: int) -> None:
    """Add what row y of the gradient adds to (3, 3, group, LANES), of LANES channels."""
    for dy in range(3):
        row = y + dy - 1
        if 0 <= row < task.height:
            places = (at(z[row % 3], 0), at(g[y % 3], LANES), task.width, out[dy].ctypes.data)
            if task.used - v * LANES <= HALF:
                grouped_weight_half((task.group, *places), z.dtype.type(0))
            else:
                grouped_weight((task.group, *places), z.dtype.type(0))


@njit
def _activate_row(x: Any, v: int, scale: Any, shift: Any, row: Any) -> None:
    """relu(scale x + shift) of LANES channels of a row of pixels; the next row is fetched."""
    c, zero, count = v * LANES, x.dtype.type(0), x.shape[0]
    fetch((at(x, c) + count * step(x), step(x), count), zero)
    places = (LANES, count, at(scale, c), at(shift, c), at(row, LANES), step(row))
    activate((at(x, c), step(x), *places), zero)


@njit
def _upstream_row(g: Any, y: Any, v: int, gain: Any, slope: Any, offset: Any, row: Any) -> None:
    """`gain g + slope y + offset` of LANES channels of a row; the next row is fetched."""
    c, zero, count = v * LANES, g.dtype.type(0), g.shape[0]
    fetch((at(g, c) + count * step(g), step(g), count), zero)
    fetch((at(y, c) + count * step(y), step(y), count), zero)
    parameters = (at(y, c), step(y), at(gain, c), at(slope, c), at(offset, c))
    upstream((at(g, c), step(g), LANES, count, *parameters, at(row, LANES), step(row)), zero)


@njit
def _through_relu_row(g: Any, z: Any, x: Any, v: int, mean: Any, sums: Any, products: Any) -> None:
    c = v * LANES
    features = (at(z, LANES), step(z), at(x, c), step(x), at(mean, c), at(sums, c), at(products, c))
    places = (LANES, g.shape[0], *features, at(g, c), step(g))
    through_relu((at(g, c), step(g), *places), g.dtype.type(0))


@njit
def _forward(task: Any, part: int) -> None:
    channels = task.inputs
    x = images_of(task.x, task, part, channels)
    out = images_of(task.y, task, part, channels)
    pixels = pixels_of(task.y, task, part, channels)
    scale = vector_at(task.scale, task, channels)
    shift = vector_at(task.shift, task, channels)
    shape = (channels // LANES, 3, 3, task.group, LANES)
    weight = vector_at(task.weight, task, 9 * task.group * channels).reshape(shape)
    sums = sums_of(task.means, task, part, channels)
    squares = sums_of(task.squares, task, part, channels)
    z = _kept_rows(task, part, 0)
    work = scratch_of(task, part, z.size, 3, channels)
    for image in range(x.shape[0]):
        out[image] = 0  # brings it near in the order of memory
        for v in range(channels // LANES):
            for y in range(-1, task.height):
                if y + 1 < task.height:
                    _activate_row(x[image, y + 1], v, scale, shift, z[(y + 1) % 3])
                if y >= 0:
                    _convolve_row(task, z, y, weight[v], out[image, y], v)
        end = (image + 1) * task.height * task.width
        for start in range(image * task.height * task.width, end, TILE):
            take_in(pixels[start : min(start + TILE, end)], start, work, sums, squares)
    to_moments(pixels.shape[0], work[0], sums, squares)


@njit
def _backward(task: Any, part: int) -> None:
    channels = task.inputs
    x = images_of(task.x, task, part, channels)
    result = images_of(task.y, task, part, channels)
    of_result = images_of(task.g, task, part, channels)
    out = images_of(task.out, task, part, channels)
    scale, shift = vector_at(task.scale, task, channels), vector_at(task.shift, task, channels)
    mean, gain = vector_at(task.mean, task, channels), vector_at(task.gain, task, channels)
    slope, offset = vector_at(task.slope, task, channels), vector_at(task.offset, task, channels)
    shape = (channels // LANES, 3, 3, task.group, LANES)
    weight = vector_at(task.weight, task, 9 * task.group * channels).reshape(shape)
    grad_weight = sums_of(task.grad_weight, task, part, 9 * task.group * channels).reshape(shape)
    sums = sums_of(task.sums, task, part, channels)
    products = sums_of(task.products, task, part, channels)
    z = _kept_rows(task, part, 0)
    g = _kept_rows(task, part, z.size)
    for image in range(x.shape[0]):
        out[image] = 0  # brings it near in the order of memory
        for v in range(channels // LANES):
            for y in range(-1, task.height):
                below = y + 1
                if below < task.height:
                    g_row, y_row = of_result[image, below], result[image, below]
                    _activate_row(x[image, below], v, scale, shift, z[below % 3])
                    _upstream_row(g_row, y_row, v, gain, slope, offset, g[below % 3])
                if y >= 0:
                    row, z_row, x_row = out[image, y], z[y % 3], x[image, y]
                    _convolve_row(task, g, y, weight[v], row, v)
                    _add_weight_gradient(task, z, g, y, grad_weight[v], v)
                    _through_relu_row(row, z_row, x_row, v, mean, sums, products)


def _run_forward(pointer: Any) -> None:
    task = task_at(pointer)
    for part in parts_taken(pointer):
        _forward(task, part)


def _run_backward(pointer: Any) -> None:
    task = task_at(pointer)
    for part in parts_taken(pointer):
        _backward(task, part)
