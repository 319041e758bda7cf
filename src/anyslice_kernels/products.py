"""The innermost loops of convolutions; see vectors.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from anyslice_kernels.data import GROUP_WIDTHS, HALF, PIXELS, ROWS
from anyslice_kernels.vectors import Vectors, integer, vector_function

INPUTS = 4
"""Inputs of a group whose weight gradients are kept in registers at a time, 3 for each."""


def _product(rows: int) -> Callable[..., None]:
    def write(
        emit: Vectors,
        a: Any,
        a_row: Any,
        a_next: Any,
        b: Any,
        b_next: Any,
        count: Any,
        out: Any,
        out_row: Any,
    ) -> None:
        """out[i] += sum over j < count of a[i, j] b[j], for `rows` i.

        a[i, j] are single numbers, `a_row` apart from i to i and `a_next` from j to j.
        """
        for some in _evenly(rows, at_most=max(1, emit.room - 2)):
            places = [emit.at(out, i, out_row) for i in some]
            sums = [emit.load(place) for place in places]
            with emit.loop(count, sums) as (j, inside):
                a_j, b_j = emit.at(a, j, a_next), emit.load(emit.at(b, j, b_next))
                for s, i in enumerate(some):
                    factor = emit.load_everywhere(emit.at(a_j, i, a_row))
                    inside[s] = emit.fma(factor, b_j, inside[s])
            for total, place in zip(sums, places, strict=True):
                emit.store(total, place)

    return write


def _evenly(count: int, at_most: int) -> list[range]:
    """0 ... count - 1 in as few pieces as can be, which differ by 1 at most."""
    pieces = -(-count // at_most)
    return [range(i * count // pieces, (i + 1) * count // pieces) for i in range(pieces)]


def _widths(emit: Vectors) -> list[int]:
    return [width for width in GROUP_WIDTHS if width <= emit.lanes]


def _pieces(emit: Vectors, vectors: int) -> Iterator[tuple[Vectors, int]]:
    """Pieces of the lanes so narrow that there are registers for so many, and their first lane."""
    piece = emit
    while piece.room < vectors:
        piece = piece.narrower(piece.lanes // 2)
    for first in range(0, emit.lanes, piece.lanes):
        yield piece, first


def _member(emit: Vectors, pixel: Any, first: int, width: int, i: int) -> Any:
    """In every lane, the first of which is `first`, the i-th number of the lane's group."""
    if width < emit.lanes:
        return emit.member(emit.load(emit.after(pixel, first)), width, i)
    return emit.load_everywhere(emit.after(pixel, first // width * width + i))


def _grouped(pixels: int) -> Callable[..., None]:
    def write(emit: Vectors, width: Any, *addresses: Any) -> None:
        for known in _widths(emit):
            with emit.builder.if_then(emit.builder.icmp_signed("==", width, integer(known))):
                _write_grouped(emit, known, pixels, *addresses)

    return write


def _write_grouped(
    emit: Vectors,
    width: int,
    pixels: int,
    above: Any,
    here: Any,
    below: Any,
    weight: Any,
    out: Any,
    out_next: Any,
) -> None:
    """LANES channels of a 3x3 convolution with groups of `width`, at some pixels of a row.

    Args:
        emit: writes.
        width: of GROUP_WIDTHS.
        pixels: how many.
        above: the pixel to the upper left of the first one, in a row of LANES channels a pixel.
        here: the pixel to the left.
        below: the one to the lower left.
        weight: (3, 3, width, LANES).
        out: the result.
        out_next: its step.
    """
    sums = [emit.zero] * pixels
    for dy, row in enumerate((above, here, below)):
        columns = [emit.load(emit.at(row, column, emit.size)) for column in range(pixels + 2)]
        for i in range(width):
            taps = [(3 * dy + dx) * width + i for dx in range(3)]
            weights = [emit.load(emit.at(weight, tap, emit.size)) for tap in taps]
            for column in range(pixels + 2):
                x = emit.member(columns[column], width, i)
                for dx in range(3):
                    if 0 <= column - dx < pixels:
                        sums[column - dx] = emit.fma(x, weights[dx], sums[column - dx])
    for pixel in range(pixels):
        emit.store(sums[pixel], emit.at(out, pixel, out_next))


def _grouped_weight(emit: Vectors, width: Any, *arguments: Any) -> None:
    for known in _widths(emit):
        with emit.builder.if_then(emit.builder.icmp_signed("==", width, integer(known))):
            for piece, first in _pieces(emit, vectors=3 * INPUTS + 2):
                for some in range(0, known, INPUTS):
                    inputs = range(some, min(some + INPUTS, known))
                    _write_grouped_weight(piece, first, known, inputs, *arguments)


def _write_grouped_weight(
    emit: Vectors, first: int, width: int, inputs: range, x: Any, g: Any, count: Any, out: Any
) -> None:
    """Add the gradient of one row of a weight, from one row of pixels.

    Args:
        emit: writes.
        first: the first of the LANES channels that is taken.
        width: as in `_write_grouped`.
        inputs: of a group, which are taken.
        x: the pixel to the left of the first one, in the row that meets g's under this row of the
            weight; rows of LANES channels a pixel.
        g: the gradient of the convolution's result.
        count: pixels of the row.
        out: (3, width, LANES).
    """
    taps = [(i, dx) for i in inputs for dx in range(3)]
    places = [emit.at(emit.after(out, first), dx * width + i, emit.size) for i, dx in taps]
    sums = [emit.load(place) for place in places]
    with emit.loop(count, sums) as (pixel, inside):
        gradient = emit.load(emit.after(emit.at(g, pixel, emit.size), first))
        for tap, (i, dx) in enumerate(taps):
            column = emit.at(emit.at(x, pixel, emit.size), dx, emit.size)
            member = _member(emit, column, first, width, i)
            inside[tap] = emit.fma(member, gradient, inside[tap])
    for total, place in zip(sums, places, strict=True):
        emit.store(total, place)


product = vector_function(_product(ROWS))
product_of_half = vector_function(_product(ROWS), HALF)
product_of_half_the_rows = vector_function(_product(ROWS // 2))
product_of_row = vector_function(_product(1))
grouped = vector_function(_grouped(PIXELS))
grouped_half = vector_function(_grouped(PIXELS), HALF)
grouped_at_one = vector_function(_grouped(1))
grouped_weight = vector_function(_grouped_weight)
grouped_weight_half = vector_function(_grouped_weight, HALF)
