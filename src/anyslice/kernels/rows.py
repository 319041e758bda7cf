"""The passes of BN and ReLU alone, on maps of any width.

Here features are matrices (pixels, channels) whose rows may lie further apart than they are long:
some channels of wider features.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from numba import njit
from torch import Tensor

from anyslice.kernels import threads
from anyslice.kernels.data import LANES, Found, Moments, Normalised, Upstream
from anyslice.kernels.norm import room_for_moments, sizes_of
from anyslice.kernels.parts import (
    PARTS,
    TILE,
    activate_tile,
    rows_of,
    scratch_of,
    sums_of,
    take_in,
    through_relu_tile,
    to_moments,
    upstream_tile,
    vector_at,
)
from anyslice.kernels.threads import parts_taken, task_at


def pixels_side_by_side(x: Tensor) -> int:
    """How many pixels of x (pixels, C) are best taken as one, so that they fill whole vectors.

    1 where there are many channels, where rows lie apart, or where parts would not have equally
    many pixels.
    """
    pixels, channels = x.shape
    times = LANES // math.gcd(channels, LANES)
    fits = channels <= 2 * LANES and x.is_contiguous() and pixels % (PARTS * times) == 0
    return times if fits else 1


def moments(x: Tensor, times: int) -> Moments:
    """The moments of x (pixels, C), taking so many pixels as one."""
    x, channels = _side_by_side(x, times), x.shape[1]
    sizes = sizes_of(as_images(x), room=3 * x.shape[1])
    found = room_for_moments(as_images(x), sizes)
    scratch = x.new_empty(sizes["parts"], sizes["room"])
    threads.run(_run_moments, sizes, {"scratch": scratch} | found._asdict(), {"x": x})
    return Moments(*(tensor.view(-1, channels) for tensor in found))


def activate(x: Tensor, norm: Normalised, out: Tensor, times: int) -> None:
    """`out = relu(scale x + shift)`, all (pixels, C)."""
    rows = {"x": _side_by_side(x, times), "out": _side_by_side(out, times)}
    threads.run(
        _run_activate,
        sizes_of(as_images(rows["x"])),
        _repeated({"scale": norm.scale, "shift": norm.shift}, times),
        rows,
    )


def through_relu(g: Tensor, x: Tensor, norm: Normalised, times: int) -> Found:
    """The gradient of scale x + shift, from g, that of its ReLU; there is no weight."""
    out, channels = x.new_empty(x.shape), x.shape[1]
    rows = {name: _side_by_side(t, times) for name, t in (("g", g), ("x", x), ("out", out))}
    width = channels * times
    sizes = sizes_of(as_images(rows["x"]), room=TILE * width)
    sums, products = x.new_empty(2, sizes["parts"], width).unbind()
    scratch = x.new_empty(sizes["parts"], sizes["room"])
    vectors = {"scale": norm.scale, "shift": norm.shift, "mean": norm.mean}
    tensors = {"sums": sums, "products": products, "scratch": scratch}
    threads.run(_run_through_relu, sizes, tensors | _repeated(vectors, times), rows)
    return Found(out, sums.view(-1, channels), products.view(-1, channels), x.new_empty(0))


def take_upstream(g: Tensor, known: Upstream, times: int) -> None:
    """Overwrite g by gain g + slope y + offset."""
    rows = {"g": _side_by_side(g, times), "y": _side_by_side(known.y, times)}
    vectors = {"gain": known.gain, "slope": known.slope, "offset": known.offset}
    threads.run(_run_upstream, sizes_of(as_images(rows["g"])), _repeated(vectors, times), rows)


def _side_by_side(x: Tensor, times: int) -> Tensor:
    return x.view(-1, times * x.shape[1]) if times > 1 else x


def _repeated(vectors: dict[str, Tensor], times: int) -> dict[str, Tensor]:
    if times == 1:
        return vectors
    stacked = torch.stack(list(vectors.values())).repeat(1, times)
    return dict(zip(vectors, stacked, strict=True))


def as_images(x: Tensor) -> Tensor:
    """Each pixel as an image."""
    return x[:, None, None]


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
    sums = sums_of(task.means, task, part, task.inputs)
    squares = sums_of(task.squares, task, part, task.inputs)
    work = scratch_of(task, part, 0, 3, task.inputs)
    for start in range(0, x.shape[0], TILE):
        take_in(x[start : start + TILE], start, work, sums, squares)
    to_moments(x.shape[0], work[0], sums, squares)


@njit
def _activate(task: Any, part: int) -> None:
    scale = vector_at(task.scale, task, task.inputs)
    shift = vector_at(task.shift, task, task.inputs)
    x = rows_of(task.x, task, part, task.inputs, task.x_row)
    activate_tile(x, scale, shift, rows_of(task.out, task, part, task.inputs, task.out_row))


@njit
def _through_relu(task: Any, part: int) -> None:
    scale = vector_at(task.scale, task, task.inputs)
    shift = vector_at(task.shift, task, task.inputs)
    mean = vector_at(task.mean, task, task.inputs)
    x = rows_of(task.x, task, part, task.inputs, task.x_row)
    g = rows_of(task.g, task, part, task.inputs, task.g_row)
    out = rows_of(task.out, task, part, task.inputs, task.out_row)
    sums = sums_of(task.sums, task, part, task.inputs)
    products = sums_of(task.products, task, part, task.inputs)
    z = scratch_of(task, part, 0, TILE, task.inputs)
    for start in range(0, x.shape[0], TILE):
        end = min(start + TILE, x.shape[0])
        x_tile, z_tile = x[start:end], z[: end - start]
        activate_tile(x_tile, scale, shift, z_tile)
        through_relu_tile(g[start:end], z_tile, x_tile, mean, sums, products, out[start:end])


@njit
def _upstream(task: Any, part: int) -> None:
    gain = vector_at(task.gain, task, task.inputs)
    slope = vector_at(task.slope, task, task.inputs)
    offset = vector_at(task.offset, task, task.inputs)
    g = rows_of(task.g, task, part, task.inputs, task.g_row)
    y = rows_of(task.y, task, part, task.inputs, task.y_row)
    upstream_tile(g, y, gain, slope, offset, g)


def _run_moments(pointer: Any) -> None:
    task = task_at(pointer)
    for part in parts_taken(pointer):
        _moments(task, part)


def _run_activate(pointer: Any) -> None:
    task = task_at(pointer)
    for part in parts_taken(pointer):
        _activate(task, part)


def _run_through_relu(pointer: Any) -> None:
    task = task_at(pointer)
    for part in parts_taken(pointer):
        _through_relu(task, part)


def _run_upstream(pointer: Any) -> None:
    task = task_at(pointer)
    for part in parts_taken(pointer):
        _upstream(task, part)
