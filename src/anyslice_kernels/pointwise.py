"""The passes of a 1x1 convolution with the BN and ReLU before it."""

from __future__ import annotations

from typing import Any

import torch
from numba import carray, njit
from torch import Tensor

from anyslice_kernels import threads
from anyslice_kernels.data import (
    HALF,
    LANES,
    ROWS,
    Found,
    Moments,
    Normalised,
    Pointwise,
    Upstream,
)
from anyslice_kernels.norm import room_for_moments, sizes_of
from anyslice_kernels.parts import (
    TILE,
    activate_tile,
    at,
    copy_tile,
    fetch_piece,
    matrix_at,
    pixels_of,
    scratch_of,
    step,
    sums_of,
    take_in,
    through_relu_tile,
    tile_after,
    to_moments,
    upstream_tile,
    vector_at,
)
from anyslice_kernels.products import (
    product,
    product_of_half,
    product_of_half_the_rows,
    product_of_row,
)
from anyslice_kernels.threads import parts_taken, pointer_to, task_at


def forward(x: Tensor, norm: Normalised, conv: Pointwise) -> tuple[Tensor, Moments]:
    """conv(relu(scale x + shift)), (N, H, W, outputs), and its moments."""
    y = x.new_empty(*x.shape[:3], conv.weight.shape[1])
    sizes = sizes_of(x, outputs=y.shape[3], room=TILE * x.shape[3] + 3 * y.shape[3])
    found = room_for_moments(y, sizes)
    _run(_run_forward, sizes, x, norm, conv, {"y": y} | found._asdict())
    return y, found


def forward_residual(x: Tensor, norm: Normalised, conv: Pointwise, residual: Tensor) -> Tensor:
    """conv(relu(scale x + shift)) + residual, (N, H, W, outputs)."""
    y = torch.empty_like(residual)
    sizes = sizes_of(x, outputs=y.shape[3], room=TILE * x.shape[3])
    _run(_run_forward_residual, sizes, x, norm, conv, {"y": y, "residual": residual})
    return y


def backward(
    g: Tensor, known: Upstream | None, x: Tensor, norm: Normalised, conv: Pointwise
) -> Found:
    """The gradients; without `known`, g is itself the gradient of the result."""
    sizes = sizes_of(x, outputs=g.shape[3], room=TILE * (x.shape[3] + g.shape[3]))
    sums, products = x.new_empty(2, sizes["parts"], x.shape[3]).unbind()
    back = conv.weight.t().contiguous()
    wide = conv.weight if g.shape[3] >= x.shape[3] else back
    grad_weight = x.new_empty(sizes["parts"], *wide.shape)
    out = torch.empty_like(x)
    tensors = {"g": g, "sums": sums, "products": products, "grad_weight": grad_weight, "out": out}
    tensors |= known._asdict() if known else {}
    _run(_run_backward, sizes, x, norm, conv._replace(weight=back), tensors)
    of_weight = grad_weight.sum(0)
    return Found(out, sums, products, of_weight if wide is conv.weight else of_weight.t())


def _run(
    function: Any,
    sizes: dict[str, int],
    x: Tensor,
    norm: Normalised,
    conv: Pointwise,
    others: dict[str, Tensor],
) -> None:
    scratch = x.new_empty(sizes["parts"], sizes["room"])
    tensors = {"x": x, "scratch": scratch} | norm._asdict() | conv._asdict()
    threads.run(function, sizes, tensors | others)


@njit
def _reach(address: int, vectors: int) -> Any:
    return carray(pointer_to(address, 0), (vectors, 3))


@njit
def _add_product(a: Any, weight: Any, reach: Any, out: Any, ahead: Any) -> None:
    """Out += a weight, where weight is not 0; meanwhile `ahead` is brought near, by pieces."""
    zero, rows, vectors = a.dtype.type(0), a.shape[0], weight.shape[1] // LANES
    blocks = rows // ROWS
    for v in range(vectors):
        first, end, used = reach[v]
        left, target = at(a, first), at(out, v * LANES)
        right = (at(weight, v * LANES) + first * step(weight), step(weight), end - first)
        for block in range(blocks):
            fetch_piece(ahead, v * blocks + block, zero)
            i = block * ROWS
            row = (left + i * step(a), step(a), a.itemsize)
            if used <= HALF:
                product_of_half((*row, *right, target + i * step(out), step(out)), zero)
            else:
                product((*row, *right, target + i * step(out), step(out)), zero)
        for i in range(blocks * ROWS, rows):
            row = (left + i * step(a), step(a), a.itemsize)
            product_of_row((*row, *right, target + i * step(out), step(out)), zero)


@njit
def _add_weight_gradient(a: Any, b: Any, reach: Any, out: Any, ahead: Any) -> None:
    """Out += transposed a, times b, where the weight is not 0; `ahead` as in `_add_product`."""
    for v in range(b.shape[1] // LANES):
        first, end, _ = reach[v]
        fetch_piece(ahead, v, a.dtype.type(0))
        target = at(out, v * LANES)
        right = (at(b, v * LANES), step(b), a.shape[0])
        whole = first + (end - first) // ROWS * ROWS
        for i in range(first, whole, ROWS):
            left = (at(a, i), a.itemsize, step(a))
            product((*left, *right, target + i * step(out), step(out)), a.dtype.type(0))
        if whole < end:
            left = (at(a, whole), a.itemsize, step(a))
            place = (target + whole * step(out), step(out))
            product_of_half_the_rows((*left, *right, *place), a.dtype.type(0))


@njit
def _forward(task: Any, part: int) -> None:
    x = pixels_of(task.x, task, part, task.inputs)
    y = pixels_of(task.y, task, part, task.outputs)
    scale = vector_at(task.scale, task, task.inputs)
    shift = vector_at(task.shift, task, task.inputs)
    weight = matrix_at(task.weight, task, task.inputs, task.outputs)
    reach = _reach(task.reach, task.outputs // LANES)
    sums = sums_of(task.means, task, part, task.outputs)
    squares = sums_of(task.squares, task, part, task.outputs)
    z = scratch_of(task, part, 0, TILE, task.inputs)
    work = scratch_of(task, part, z.size, 3, task.outputs)
    pieces = TILE // ROWS * (task.outputs // LANES)
    for start in range(0, x.shape[0], TILE):
        end = min(start + TILE, x.shape[0])
        tile, z_tile = y[start:end], z[: end - start]
        activate_tile(x[start:end], scale, shift, z_tile)
        tile[:] = 0
        ahead = (tile_after(x, start, pieces), tile_after(y, start, pieces))
        _add_product(z_tile, weight, reach, tile, ahead)
        take_in(tile, start, work, sums, squares)
    to_moments(x.shape[0], work[0], sums, squares)


@njit
def _forward_residual(task: Any, part: int) -> None:
    x = pixels_of(task.x, task, part, task.inputs)
    y = pixels_of(task.y, task, part, task.outputs)
    residual = pixels_of(task.residual, task, part, task.outputs)
    scale = vector_at(task.scale, task, task.inputs)
    shift = vector_at(task.shift, task, task.inputs)
    weight = matrix_at(task.weight, task, task.inputs, task.outputs)
    reach = _reach(task.reach, task.outputs // LANES)
    z = scratch_of(task, part, 0, TILE, task.inputs)
    pieces = TILE // ROWS * (task.outputs // LANES)
    for start in range(0, x.shape[0], TILE):
        end = min(start + TILE, x.shape[0])
        tile, z_tile = y[start:end], z[: end - start]
        activate_tile(x[start:end], scale, shift, z_tile)
        copy_tile(residual[start:end], tile)
        ahead = (
            tile_after(x, start, pieces),
            tile_after(y, start, pieces),
            tile_after(residual, start, pieces),
        )
        _add_product(z_tile, weight, reach, tile, ahead)


@njit
def _backward(task: Any, part: int) -> None:
    x = pixels_of(task.x, task, part, task.inputs)
    y = pixels_of(task.y, task, part, task.outputs)  # not read if there is none
    g = pixels_of(task.g, task, part, task.outputs)
    out = pixels_of(task.out, task, part, task.inputs)
    scale = vector_at(task.scale, task, task.inputs)
    shift = vector_at(task.shift, task, task.inputs)
    mean = vector_at(task.mean, task, task.inputs)
    gain = vector_at(task.gain, task, task.outputs)
    slope = vector_at(task.slope, task, task.outputs)
    offset = vector_at(task.offset, task, task.outputs)
    weight = matrix_at(task.weight, task, task.outputs, task.inputs)
    reach = _reach(task.reach, task.outputs // LANES)
    reach_back = _reach(task.reach_back, task.inputs // LANES)
    sums = sums_of(task.sums, task, part, task.inputs)
    products = sums_of(task.products, task, part, task.inputs)
    grad_weight = sums_of(task.grad_weight, task, part, task.inputs * task.outputs)
    z = scratch_of(task, part, 0, TILE, task.inputs)
    of_y = scratch_of(task, part, z.size, TILE, task.outputs)
    pieces = TILE // ROWS * (task.inputs // LANES)
    for start in range(0, x.shape[0], TILE):
        end = min(start + TILE, x.shape[0])
        x_tile, z_tile, g_tile = x[start:end], z[: end - start], of_y[: end - start]
        out_tile = out[start:end]
        activate_tile(x_tile, scale, shift, z_tile)
        if task.y != 0:
            upstream_tile(g[start:end], y[start:end], gain, slope, offset, g_tile)
        else:
            copy_tile(g[start:end], g_tile)
        if task.outputs >= task.inputs:  # the wider side is in the lanes, it fills them better
            of_weight = grad_weight.reshape(task.inputs, task.outputs)
            ahead = (tile_after(g, start, task.outputs // LANES),)
            _add_weight_gradient(z_tile, g_tile, reach, of_weight, ahead)
        else:
            of_weight = grad_weight.reshape(task.outputs, task.inputs)
            ahead = (tile_after(g, start, task.inputs // LANES),)
            _add_weight_gradient(g_tile, z_tile, reach_back, of_weight, ahead)
        out_tile[:] = 0
        others = (tile_after(x, start, pieces), tile_after(out, start, pieces))
        _add_product(g_tile, weight, reach_back, out_tile, others)
        through_relu_tile(out_tile, z_tile, x_tile, mean, sums, products, out_tile)


def _run_forward(pointer: Any) -> None:
    task = task_at(pointer)
    for part in parts_taken(pointer):
        _forward(task, part)


def _run_forward_residual(pointer: Any) -> None:
    task = task_at(pointer)
    for part in parts_taken(pointer):
        _forward_residual(task, part)


def _run_backward(pointer: Any) -> None:
    task = task_at(pointer)
    for part in parts_taken(pointer):
        _backward(task, part)
