"""BN with ReLU on CPUs in as few passes over memory as possible, compiled by Numba for this CPU.

PyTorch reads and writes the features ten times for BN and ReLU, forward and backward; here they
are read five times and written twice. A kernel takes its tensors as matrices (pixels, channels),
that is, channels_last. Few channels stand side by side, several pixels to a row, so that a vector
register is full. The rows are cut into parts, which the threads take one after the other; a part
has its own sums, so that no result depends on the number of threads.

Compiled code is kept beside this file (or in the user's cache folder), so the few seconds that it
takes are spent once on a machine.
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import numba
import numpy as np
import torch
from llvmlite import ir
from numba import carray, cfunc, njit, types
from numba.extending import intrinsic
from torch import Tensor

PARTS = 32
"""Pieces the pixels are cut into at most: enough for all threads, each large beside a call."""

FILLING = 64
"""Elements from which a row is long enough for vectors; a multiple of LANES is what they want."""

LANES = 16
TILE = 32
"""Rows whose mean and variance are taken at once, while they are in the first-level cache."""


_ADDRESSES = (
    "x",
    "out",
    "residual",
    "sums",
    "products",
    "scale",
    "shift",
    "mean",
    "slope",
    "offset",
)


def _task_type(real: type) -> type[ctypes.Structure]:
    """What a kernel is called with: sizes, addresses of tensors, and a number of their type."""
    integers = ("taken", "parts", "rows", "fold", "channels", *_ADDRESSES)
    fields = [*((name, ctypes.c_int64) for name in integers), ("zero", real)]
    return type("_Task", (ctypes.Structure,), {"_fields_": fields})


_TASKS = {torch.float32: _task_type(ctypes.c_float), torch.float64: _task_type(ctypes.c_double)}


class _Kernels(NamedTuple):
    statistics: Any
    scale_relu: Any
    gradient_sums: Any
    input_gradient: Any


def statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """The means and variances over equally many pixels each, (parts, C), of x (N, C, H, W)."""
    task = _new_task(x)
    means, variances = _partial(x, task), _partial(x, task)
    task.sums, task.products = means.data_ptr(), variances.data_ptr()
    _run(_compiled(x.dtype).statistics, task)
    return means.view(-1, x.shape[1]), variances.view(-1, x.shape[1])


def scale_relu(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """relu(scale x + shift), with scale and shift (C,), as a new tensor."""
    z = torch.empty_like(x)
    task = _new_task(x, out=z, scale=scale, shift=shift)
    _run(_compiled(x.dtype).scale_relu, task)
    return z


def gradient_sums(
    grad: Tensor, x: Tensor, scale: Tensor, shift: Tensor, mean: Tensor
) -> tuple[Tensor, Tensor]:
    """The sums over pixels of g and of g (x - mean), both (C,).

    Args:
        grad: the gradient of relu(scale x + shift); g is grad where that is positive, else 0.
        x: (N, C, H, W).
        scale: (C,), as shift and mean.
        shift: see scale.
        mean: see scale.
    """
    task = _new_task(x, out=grad, scale=scale, shift=shift, mean=mean)
    sums, products = _partial(x, task), _partial(x, task)
    task.sums, task.products = sums.data_ptr(), products.data_ptr()
    _run(_compiled(x.dtype).gradient_sums, task)
    return sums.view(-1, x.shape[1]).sum(0), products.view(-1, x.shape[1]).sum(0)


def input_gradient(
    grad: Tensor,
    x: Tensor,
    scale: Tensor,
    shift: Tensor,
    slope: Tensor,
    offset: Tensor,
    residual: Tensor | None,
) -> Tensor:
    """Overwrite grad by scale g + slope x + offset + residual, with g as in `gradient_sums`."""
    added = {} if residual is None else {"residual": residual}
    task = _new_task(x, out=grad, scale=scale, shift=shift, slope=slope, offset=offset, **added)
    _run(_compiled(x.dtype).input_gradient, task)
    return grad


def _new_task(x: Tensor, **tensors: Tensor) -> Any:
    """The task of x (N, C, H, W), a tensor of the same shape (`out`) and vectors (C,).

    Raises:
        ValueError: if a tensor's memory is not laid out as the kernels read it.
    """
    for name, tensor in {"x": x, **tensors}.items():
        layout = torch.channels_last if tensor.dim() == x.dim() else torch.contiguous_format
        if not tensor.is_contiguous(memory_format=layout):
            raise ValueError(f"{name} with strides {tensor.stride()} must be {layout}")
    channels = x.shape[1]
    pixels = x.numel() // channels
    fold = 1
    while (fold * channels < FILLING or fold * channels % LANES) and pixels % (2 * fold) == 0:
        fold *= 2
    rows, parts = pixels // fold, 1
    while parts < PARTS and rows % (2 * parts) == 0:
        parts *= 2
    addresses = {name: tensor.data_ptr() for name, tensor in tensors.items()}
    sizes = {"parts": parts, "rows": rows, "fold": fold, "channels": channels}
    return _TASKS[x.dtype](x=x.data_ptr(), **sizes, **addresses)


def _partial(x: Tensor, task: Any) -> Tensor:
    return x.new_empty(task.parts, task.fold * task.channels)


def _run(kernel: Any, task: Any) -> None:
    """Call a kernel in as many threads as PyTorch uses."""
    parallel = _openmp()
    if parallel is None or torch.get_num_threads() == 1:
        kernel.ctypes(ctypes.addressof(task))
    else:
        parallel(kernel.address, ctypes.addressof(task), torch.get_num_threads(), 0)


@functools.cache
def _openmp() -> Callable[..., None] | None:
    """PyTorch's own GNU OpenMP, or None: a second set of threads would fight its for the cores."""
    for library in Path(torch.__file__).parent.glob("lib/libgomp*.so*"):
        try:
            parallel = ctypes.CDLL(str(library), mode=os.RTLD_NOW | os.RTLD_NOLOAD).GOMP_parallel
        except (OSError, AttributeError):
            continue
        parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
        parallel.restype = None
        return cast("Callable[..., None]", parallel)
    return None


def _type_pointer(_: Any, address: Any, element: Any) -> Any:
    pointer = types.CPointer(element)

    def generate(context: Any, builder: Any, __: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(pointer))

    return pointer(address, element), generate


def _type_take(_: Any, counter: Any) -> Any:
    def generate(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        return builder.atomic_rmw("add", arguments[0], ir.Constant(ir.IntType(64), 1), "monotonic")

    return types.int64(counter), generate


# An address as a pointer to numbers of the second argument's type.
_pointer: Callable[[int, float], Any] = intrinsic(_type_pointer)

# Add 1 to the integer at a pointer and return what it was: no two threads get the same.
_take: Callable[[Any], int] = intrinsic(_type_take)

# Sums may be taken in any order, as vectors do; NaN and infinity stay what they are.
_fast = njit(fastmath={"contract", "reassoc", "nsz", "arcp"})


@_fast
def _part_statistics(x: Any, mean: Any, variance: Any) -> None:
    """Tile by tile, each about its own mean, so that nothing cancels."""
    rows, columns = x.shape
    mean[:] = 0
    variance[:] = 0
    tile_mean, tile_squares = np.empty_like(mean), np.empty_like(mean)
    for start in range(0, rows, TILE):
        end = min(start + TILE, rows)
        tile_mean[:] = 0
        tile_squares[:] = 0
        for i in range(start, end):
            for c in range(columns):
                tile_mean[c] += x[i, c]
        for c in range(columns):
            tile_mean[c] /= end - start
        for i in range(start, end):
            for c in range(columns):
                tile_squares[c] += (x[i, c] - tile_mean[c]) ** 2
        share = (end - start) / end
        for c in range(columns):
            difference = tile_mean[c] - mean[c]
            mean[c] += difference * share
            variance[c] += tile_squares[c] + difference**2 * (start * share)
    variance /= rows


@_fast
def _part_scale_relu(x: Any, scale: Any, shift: Any, out: Any) -> None:
    for i in range(x.shape[0]):
        for c in range(x.shape[1]):
            z = x[i, c] * scale[c] + shift[c]
            out[i, c] = z * 0 if z < 0 else z


@_fast
def _part_gradient_sums(
    grad: Any, x: Any, scale: Any, shift: Any, mean: Any, sums: Any, products: Any
) -> None:
    sums[:] = 0
    products[:] = 0
    for i in range(x.shape[0]):
        for c in range(x.shape[1]):
            g = grad[i, c] if x[i, c] * scale[c] + shift[c] > 0 else grad[i, c] * 0
            sums[c] += g
            products[c] += g * (x[i, c] - mean[c])


@_fast
def _part_input_gradient(
    grad: Any, x: Any, scale: Any, shift: Any, slope: Any, offset: Any, residual: Any, adds: bool
) -> None:
    for i in range(x.shape[0]):
        for c in range(x.shape[1]):
            g = grad[i, c] if x[i, c] * scale[c] + shift[c] > 0 else grad[i, c] * 0
            grad[i, c] = g * scale[c] + x[i, c] * slope[c] + offset[c]
        if adds:
            for c in range(x.shape[1]):
                grad[i, c] += residual[i, c]


@njit
def _matrix(address: int, task: Any, rows: int, columns: int) -> Any:
    return carray(_pointer(address, task.zero), (rows, columns))


@njit
def _pixels(address: int, task: Any, part: int) -> Any:
    """The rows of one part of a tensor of x's shape."""
    rows = task.rows // task.parts
    whole = _matrix(address, task, task.rows, task.fold * task.channels)
    return whole[part * rows : (part + 1) * rows]


@njit
def _sums(address: int, task: Any, part: int) -> Any:
    return _matrix(address, task, task.parts, task.fold * task.channels)[part]


@njit
def _beside(address: int, task: Any) -> Any:
    """A vector of channels, `fold` times side by side."""
    channels = _matrix(address, task, 1, task.channels)[0]
    row = np.empty(task.fold * task.channels, channels.dtype)
    for column in range(len(row)):
        row[column] = channels[column % task.channels]
    return row


def _statistics(pointer: Any) -> None:
    task = carray(pointer, 1)[0]
    part = _take(pointer)
    while part < task.parts:
        mean, variance = _sums(task.sums, task, part), _sums(task.products, task, part)
        _part_statistics(_pixels(task.x, task, part), mean, variance)
        part = _take(pointer)


def _scale_relu(pointer: Any) -> None:
    task = carray(pointer, 1)[0]
    scale, shift = _beside(task.scale, task), _beside(task.shift, task)
    part = _take(pointer)
    while part < task.parts:
        x, out = _pixels(task.x, task, part), _pixels(task.out, task, part)
        _part_scale_relu(x, scale, shift, out)
        part = _take(pointer)


def _gradient_sums(pointer: Any) -> None:
    task = carray(pointer, 1)[0]
    scale, shift = _beside(task.scale, task), _beside(task.shift, task)
    mean = _beside(task.mean, task)
    part = _take(pointer)
    while part < task.parts:
        x, grad = _pixels(task.x, task, part), _pixels(task.out, task, part)
        sums, products = _sums(task.sums, task, part), _sums(task.products, task, part)
        _part_gradient_sums(grad, x, scale, shift, mean, sums, products)
        part = _take(pointer)


def _input_gradient(pointer: Any) -> None:
    task = carray(pointer, 1)[0]
    scale, shift = _beside(task.scale, task), _beside(task.shift, task)
    slope, offset = _beside(task.slope, task), _beside(task.offset, task)
    part = _take(pointer)
    while part < task.parts:
        x, grad = _pixels(task.x, task, part), _pixels(task.out, task, part)
        residual = _pixels(task.residual, task, part)  # not read if there is none
        _part_input_gradient(grad, x, scale, shift, slope, offset, residual, task.residual != 0)
        part = _take(pointer)


@functools.cache
def _compiled(dtype: torch.dtype) -> _Kernels:
    """The kernels for float32 or float64."""
    task = numba.from_dtype(np.dtype(_TASKS[dtype]))
    signature = types.void(types.CPointer(task))
    functions = (_statistics, _scale_relu, _gradient_sums, _input_gradient)
    return _Kernels(*(_compile(function, signature) for function in functions))


def _compile(function: Callable[[Any], None], signature: Any) -> Any:
    try:
        return cfunc(signature, cache=True)(function)
    except RuntimeError:  # neither this folder nor the user's can be written: compile every time
        return cfunc(signature)(function)
