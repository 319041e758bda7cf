"""How a pass sees its tensors, part by part and tile by tile. All functions are compiled."""

from __future__ import annotations

from typing import Any

from numba import carray, njit

from anyslice_kernels.elementwise import (
    activate,
    copy,
    distances,
    fetch,
    through_relu,
    upstream,
)
from anyslice_kernels.threads import pointer_to

PARTS = 16
"""Parts the images are cut into at most: enough for all threads, each large beside a call."""

TILE = 64
"""Pixels that are computed together; moments are taken tile by tile too."""

LINE = 64
"""Bytes of a cache line."""


@njit
def vector_at(address: int, task: Any, length: int) -> Any:
    """A vector (length,) of the task's numbers."""
    return carray(pointer_to(address, task.zero), (length,))


@njit
def matrix_at(address: int, task: Any, rows: int, columns: int) -> Any:
    """A matrix (rows, columns) of the task's numbers."""
    return carray(pointer_to(address, task.zero), (rows, columns))


@njit
def images_of(address: int, task: Any, part: int, channels: int) -> Any:
    """The images of one part, (images, height, width, channels)."""
    first = part * task.images // task.parts
    end = (part + 1) * task.images // task.parts
    shape = (task.images, task.height, task.width, channels)
    return carray(pointer_to(address, task.zero), shape)[first:end]


@njit
def pixels_of(address: int, task: Any, part: int, channels: int) -> Any:
    """The same as a matrix (pixels, channels)."""
    pixels = task.height * task.width
    first = part * task.images // task.parts * pixels
    end = (part + 1) * task.images // task.parts * pixels
    return matrix_at(address, task, task.images * pixels, channels)[first:end]


@njit
def rows_of(address: int, task: Any, part: int, channels: int, row: int) -> Any:
    """The pixels of one part, `row` numbers apart."""
    return pixels_of(address, task, part, row)[:, :channels]


@njit
def sums_of(address: int, task: Any, part: int, length: int) -> Any:
    """The sums of one part, set to 0."""
    sums = matrix_at(address, task, task.parts, length)[part]
    sums[:] = 0
    return sums


@njit
def scratch_of(task: Any, part: int, start: int, rows: int, columns: int) -> Any:
    """A matrix (rows, columns) in the scratch memory of one part, from its number `start` on."""
    whole = matrix_at(task.scratch, task, task.parts, task.room)
    return whole[part, start : start + rows * columns].reshape(rows, columns)


@njit
def at(array: Any, channel: int) -> int:
    """The address of one channel of the first pixel."""
    return array.ctypes.data + channel * array.itemsize  # type: ignore[no-any-return]


@njit
def step(matrix: Any) -> int:
    """The bytes from pixel to pixel."""
    return matrix.strides[0]  # type: ignore[no-any-return]


@njit
def tile_after(pixels: Any, start: int, pieces: int) -> Any:
    """The tile after the one at `start`, in pieces: (address, cache lines of a piece)."""
    size = TILE * step(pixels)
    return at(pixels, 0) + start * step(pixels) + size, -(-size // (LINE * pieces))


@njit
def fetch_piece(ahead: Any, piece: int, zero: float) -> None:
    """Bring one piece of each of some tiles near."""
    for address, lines in ahead:
        fetch((address + piece * lines * LINE, LINE, lines), zero)


@njit
def copy_tile(source: Any, out: Any) -> None:
    """`out = source`."""
    copy((at(source, 0), source.shape[0] * step(source), at(out, 0)), source.dtype.type(0))


@njit
def activate_tile(x: Any, scale: Any, shift: Any, out: Any) -> None:
    """`out = relu(scale x + shift)`."""
    places = (at(scale, 0), at(shift, 0), at(out, 0), step(out))
    activate((at(x, 0), step(x), x.shape[1], x.shape[0], *places), x.dtype.type(0))


@njit
def upstream_tile(g: Any, y: Any, gain: Any, slope: Any, offset: Any, out: Any) -> None:
    """`out = gain g + slope y + offset`."""
    parameters = (at(y, 0), step(y), at(gain, 0), at(slope, 0), at(offset, 0))
    places = (g.shape[1], g.shape[0], *parameters, at(out, 0), step(out))
    upstream((at(g, 0), step(g), *places), g.dtype.type(0))


@njit
def through_relu_tile(
    g: Any, z: Any, x: Any, mean: Any, sums: Any, products: Any, out: Any
) -> None:
    """`out = g`, 0 where z = 0; add it to the sums, and times x - mean to the products."""
    features = (at(z, 0), step(z), at(x, 0), step(x), at(mean, 0))
    results = (at(sums, 0), at(products, 0), at(out, 0), step(out))
    places = (g.shape[1], g.shape[0], *features, *results)
    through_relu((at(g, 0), step(g), *places), g.dtype.type(0))


@njit
def take_in(tile: Any, before: int, work: Any, sums: Any, squares: Any) -> None:
    """Add the pixels of a tile, after `before` others, to the sums of x - origin and its square.

    The origin, work[0], is the mean of the first tile, so that nothing cancels in the variance.
    """
    channels, count, zero = tile.shape[1], tile.shape[0], tile.dtype.type(0)
    origin, tile_sums, tile_squares = work[0], work[1], work[2]
    places = (at(origin, 0), at(tile_sums, 0), at(tile_squares, 0))
    if before == 0:
        origin[:] = 0
        distances((at(tile, 0), step(tile), channels, count, *places), zero)
        for c in range(tile.shape[1]):
            origin[c] = tile_sums[c] / count
    distances((at(tile, 0), step(tile), channels, count, *places), zero)
    for c in range(tile.shape[1]):
        sums[c] += tile_sums[c]
        squares[c] += tile_squares[c]


@njit
def to_moments(count: int, origin: Any, sums: Any, squares: Any) -> None:
    """Overwrite the sums by the mean, and the squares by the sum of squared distances to it."""
    for c in range(len(sums)):
        distance = sums[c] / count
        squares[c] = max(squares[c] - sums[c] * distance, squares[c] * 0)
        sums[c] = origin[c] + distance
