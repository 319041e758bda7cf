"""The innermost loops, written out for the registers of a CPU.

A compiler keeps sums in registers only if it sees all of them at once, and multiplies grouped
channels as vectors only if it is told how. So these loops are put together here from vectors of
LANES channels, as LLVM's instructions, and LLVM makes of them what the CPU at hand has (AVX-512,
AVX2, NEON).

Each is called with a tuple of integers and `zero`, a number of the tensors' type (float32 or
float64). Addresses and steps are in bytes; unless said otherwise an address is that of a vector,
and a step that from one pixel's vector to the next one's. Nothing is checked: whoever calls these
answers for the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from anyslice.kernels.data import GROUP_WIDTHS, HALF, LANES, ROWS

INPUTS = 4
"""Inputs of a group whose weight gradients are kept in registers at a time, 3 for each."""

_INT = ir.IntType(64)


class _Vectors:
    """Writes instructions on vectors of one type of number, or on the first lanes of vectors.

    Attributes:
        builder: of LLVM's instructions.
        lanes: how many are used.
        bytes: of a number.
        size: bytes from vector to vector.
        type: LLVM's.
        zero: a vector.
    """

    def __init__(self, builder: Any, element: Any, lanes: int) -> None:
        self.builder = builder
        self.lanes = lanes
        self.bytes = 4 if isinstance(element, ir.FloatType) else 8
        self.size = _int(LANES * self.bytes)
        self.type = ir.VectorType(element, lanes)
        self.zero = ir.Constant(self.type, [0.0] * lanes)
        name = f"llvm.fmuladd.v{lanes}f{8 * self.bytes}"
        fma_type = ir.FunctionType(self.type, [self.type] * 3)
        self._fma = cgutils.get_or_insert_function(builder.module, fma_type, name)
        self._element = element

    def at(self, address: Any, count: Any, step: Any) -> Any:
        """`address + count step`."""
        count = _int(count) if isinstance(count, int) else count
        return self.builder.add(address, self.builder.mul(count, step))

    def load(self, address: Any) -> Any:
        pointer = self.builder.inttoptr(address, self.type.as_pointer())
        return self.builder.load(pointer, align=self.bytes)

    def store(self, vector: Any, address: Any) -> None:
        pointer = self.builder.inttoptr(address, self.type.as_pointer())
        self.builder.store(vector, pointer, align=self.bytes)

    def load_side_by_side(self, address: Any, count: int) -> list[Any]:
        return [self.load(self.at(address, v, self.size)) for v in range(count)]

    def fetch(self, address: Any) -> None:
        """Have the cache line at an address brought near, if there is memory; nothing waits."""
        integer, byte = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, integer, integer, integer])
        prefetch = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0")
        reading, second_level, data = integer(0), integer(2), integer(1)
        pointer = self.builder.inttoptr(address, byte)
        self.builder.call(prefetch, [pointer, reading, second_level, data])

    def load_everywhere(self, address: Any) -> Any:
        """One number in all lanes."""
        number = self.builder.load(self.builder.inttoptr(address, self._element.as_pointer()))
        first = self.builder.insert_element(ir.Constant(self.type, ir.Undefined), number, _int(0))
        return self._shuffle(first, [0] * self.lanes)

    def member(self, vector: Any, width: int, i: int) -> Any:
        """In every lane the i-th number of the lane's group of `width` lanes."""
        return self._shuffle(vector, [lane // width * width + i for lane in range(self.lanes)])

    def fma(self, x: Any, y: Any, z: Any) -> Any:
        """Lane by lane x y + z."""
        return self.builder.call(self._fma, [x, y, z])

    def positive(self, z: Any, x: Any) -> Any:
        """Lane by lane x, and 0 where z < 0 or z = 0; where z is no number, x."""
        is_not = self.builder.fcmp_ordered("<=", z, self.zero)
        return self.builder.select(is_not, self.zero, x)

    def _shuffle(self, vector: Any, lanes: list[int]) -> Any:
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), lanes)
        return self.builder.shuffle_vector(vector, ir.Constant(self.type, ir.Undefined), mask)

    @contextmanager
    def loop(self, count: Any, sums: list[Any]) -> Iterator[tuple[Any, list[Any]]]:
        """Repeat what is written inside `count` times: its index, and the sums, to be replaced.

        `sums` holds the vectors before the loop, and after it those that the loop left.
        """
        kept = [cgutils.alloca_once_value(self.builder, vector) for vector in sums]
        with cgutils.for_range(self.builder, count) as loop:
            inside = [self.builder.load(variable) for variable in kept]
            yield loop.index, inside
            for vector, variable in zip(inside, kept, strict=True):
                self.builder.store(vector, variable)
        sums[:] = [self.builder.load(variable) for variable in kept]


def _int(value: int) -> Any:
    return ir.Constant(_INT, value)


def _intrinsic(write: Callable[..., None], lanes: int = LANES) -> Any:
    """A function (integers, zero) for compiled code, whose instructions `write` writes."""

    def typed(_: Any, integers: Any, zero: Any) -> Any:
        def generate(context: Any, builder: Any, __: Any, values: Any) -> Any:
            emit = _Vectors(builder, context.get_value_type(zero), lanes)
            write(emit, *cgutils.unpack_tuple(builder, values[0]))
            return context.get_dummy_value()

        return types.void(integers, zero), generate

    return intrinsic(typed)


def _fetch(emit: _Vectors, address: Any, step: Any, count: Any) -> None:
    """Have `count` cache lines, `step` apart, brought near before they are needed."""
    with emit.loop(count, []) as (i, _):
        emit.fetch(emit.at(address, i, step))


def _copy(emit: _Vectors, source: Any, size: Any, out: Any) -> None:
    """Copy some bytes."""
    byte = ir.IntType(8).as_pointer()
    from_here, to_here = (emit.builder.inttoptr(address, byte) for address in (source, out))
    cgutils.raw_memcpy(emit.builder, to_here, from_here, size, 1)


def _columns(emit: _Vectors, vectors: Any, write: Callable[[Any, int], None]) -> None:
    """Have all vectors of a pixel written for: 4 side by side while there are, then 2, then 1.

    Args:
        emit: writes.
        vectors: how many there are.
        write: called with the distance of the first from a pixel's address, and how many.
    """
    done = _int(0)
    for together in (4, 2, 1):
        left = emit.builder.sub(vectors, done)
        with emit.loop(emit.builder.sdiv(left, _int(together)), []) as (i, _):
            first = emit.builder.add(done, emit.builder.mul(i, _int(together)))
            write(emit.builder.mul(first, emit.size), together)
        rest = emit.builder.srem(left, _int(together))
        done = emit.builder.sub(vectors, rest)


def _activate(
    emit: _Vectors,
    x: Any,
    x_next: Any,
    vectors: Any,
    count: Any,
    scale: Any,
    shift: Any,
    out: Any,
    out_next: Any,
) -> None:
    """`out = relu(scale x + shift)`, for some vectors of `count` pixels."""

    def write(first: Any, together: int) -> None:
        scales = emit.load_side_by_side(emit.builder.add(scale, first), together)
        shifts = emit.load_side_by_side(emit.builder.add(shift, first), together)
        with emit.loop(count, []) as (pixel, _):
            from_here = emit.builder.add(emit.at(x, pixel, x_next), first)
            to_here = emit.builder.add(emit.at(out, pixel, out_next), first)
            for v, features in enumerate(emit.load_side_by_side(from_here, together)):
                z = emit.fma(features, scales[v], shifts[v])
                emit.store(emit.positive(z, z), emit.at(to_here, v, emit.size))

    _columns(emit, vectors, write)


def _upstream(
    emit: _Vectors,
    g: Any,
    g_next: Any,
    vectors: Any,
    count: Any,
    y: Any,
    y_next: Any,
    gain: Any,
    slope: Any,
    offset: Any,
    out: Any,
    out_next: Any,
    *residual: Any,
) -> None:
    """`out = gain g + slope y + offset`, as in `_activate`; with (address, step), + residual."""

    def write(first: Any, together: int) -> None:
        gains, slopes, offsets = (
            emit.load_side_by_side(emit.builder.add(address, first), together)
            for address in (gain, slope, offset)
        )
        streams = [(g, g_next), (y, y_next)] + ([residual] if residual else [])
        with emit.loop(count, []) as (pixel, _):
            gradients, results, *rest = (
                emit.load_side_by_side(
                    emit.builder.add(emit.at(address, pixel, step), first), together
                )
                for address, step in streams
            )
            to_here = emit.builder.add(emit.at(out, pixel, out_next), first)
            for v in range(together):
                total = emit.fma(results[v], slopes[v], offsets[v])
                total = emit.fma(gradients[v], gains[v], total)
                if rest:
                    total = emit.builder.fadd(total, rest[0][v])
                emit.store(total, emit.at(to_here, v, emit.size))

    _columns(emit, vectors, write)


def _through_relu(
    emit: _Vectors,
    g: Any,
    g_next: Any,
    vectors: Any,
    count: Any,
    z: Any,
    z_next: Any,
    x: Any,
    x_next: Any,
    mean: Any,
    sums: Any,
    products: Any,
) -> None:
    """Overwrite g by 0 where z = 0; add g to the sums and g (x - mean) to the products."""

    def write(first: Any, together: int) -> None:
        means = emit.load_side_by_side(emit.builder.add(mean, first), together)
        places = [
            emit.at(emit.builder.add(address, first), v, emit.size)
            for address in (sums, products)
            for v in range(together)
        ]
        totals = [emit.load(place) for place in places]
        with emit.loop(count, totals) as (pixel, inside):
            g_here, z_here, x_here = (
                emit.builder.add(emit.at(address, pixel, step), first)
                for address, step in ((g, g_next), (z, z_next), (x, x_next))
            )
            activated = emit.load_side_by_side(z_here, together)
            features = emit.load_side_by_side(x_here, together)
            for v, gradient in enumerate(emit.load_side_by_side(g_here, together)):
                passed = emit.positive(activated[v], gradient)
                emit.store(passed, emit.at(g_here, v, emit.size))
                distance = emit.builder.fsub(features[v], means[v])
                inside[v] = emit.builder.fadd(inside[v], passed)
                inside[together + v] = emit.fma(passed, distance, inside[together + v])
        for total, place in zip(totals, places, strict=True):
            emit.store(total, place)

    _columns(emit, vectors, write)


def _distances(
    emit: _Vectors,
    x: Any,
    x_next: Any,
    vectors: Any,
    count: Any,
    origin: Any,
    sums: Any,
    squares: Any,
) -> None:
    """The sums over `count` pixels of x - origin and of its square."""

    def write(first: Any, together: int) -> None:
        origins = emit.load_side_by_side(emit.builder.add(origin, first), together)
        totals = [emit.zero] * (2 * together)
        with emit.loop(count, totals) as (pixel, inside):
            here = emit.builder.add(emit.at(x, pixel, x_next), first)
            for v, features in enumerate(emit.load_side_by_side(here, together)):
                distance = emit.builder.fsub(features, origins[v])
                inside[v] = emit.builder.fadd(inside[v], distance)
                inside[together + v] = emit.fma(distance, distance, inside[together + v])
        for v in range(together):
            place = emit.at(first, v, emit.size)
            emit.store(totals[v], emit.builder.add(sums, place))
            emit.store(totals[together + v], emit.builder.add(squares, place))

    _columns(emit, vectors, write)


def _product(rows: int) -> Callable[..., None]:
    def write(
        emit: _Vectors,
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
        places = [emit.at(out, i, out_row) for i in range(rows)]
        sums = [emit.load(place) for place in places]
        with emit.loop(count, sums) as (j, inside):
            a_j, b_j = emit.at(a, j, a_next), emit.load(emit.at(b, j, b_next))
            for i in range(rows):
                inside[i] = emit.fma(emit.load_everywhere(emit.at(a_j, i, a_row)), b_j, inside[i])
        for total, place in zip(sums, places, strict=True):
            emit.store(total, place)

    return write


def _widths(emit: _Vectors) -> list[int]:
    return [width for width in GROUP_WIDTHS if width <= emit.lanes]


def _grouped(pixels: int) -> Callable[..., None]:
    def write(emit: _Vectors, width: Any, *addresses: Any) -> None:
        for known in _widths(emit):
            with emit.builder.if_then(emit.builder.icmp_signed("==", width, _int(known))):
                _write_grouped(emit, known, pixels, *addresses)

    return write


def _write_grouped(
    emit: _Vectors,
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


def _grouped_weight(emit: _Vectors, width: Any, *arguments: Any) -> None:
    for known in _widths(emit):
        with emit.builder.if_then(emit.builder.icmp_signed("==", width, _int(known))):
            for first in range(0, known, INPUTS):
                inputs = range(first, min(first + INPUTS, known))
                _write_grouped_weight(emit, known, inputs, *arguments)


def _write_grouped_weight(
    emit: _Vectors, width: int, inputs: range, x: Any, g: Any, count: Any, out: Any
) -> None:
    """Add the gradient of one row of a weight, from one row of pixels.

    Args:
        emit: writes.
        width: as in `_write_grouped`.
        inputs: of a group, which are taken.
        x: the pixel to the left of the first one, in the row that meets g's under this row of the
            weight; rows of LANES channels a pixel.
        g: the gradient of the convolution's result.
        count: pixels of the row.
        out: (3, width, LANES).
    """
    taps = [(i, dx) for i in inputs for dx in range(3)]
    places = [emit.at(out, dx * width + i, emit.size) for i, dx in taps]
    sums = [emit.load(place) for place in places]
    with emit.loop(count, sums) as (pixel, inside):
        first = emit.at(x, pixel, emit.size)
        columns = [emit.load(emit.at(first, dx, emit.size)) for dx in range(3)]
        gradient = emit.load(emit.at(g, pixel, emit.size))
        for tap, (i, dx) in enumerate(taps):
            inside[tap] = emit.fma(emit.member(columns[dx], width, i), gradient, inside[tap])
    for total, place in zip(sums, places, strict=True):
        emit.store(total, place)


fetch = _intrinsic(_fetch)
copy = _intrinsic(_copy)
activate = _intrinsic(_activate)
upstream = _intrinsic(_upstream)
through_relu = _intrinsic(_through_relu)
distances = _intrinsic(_distances)
product = _intrinsic(_product(ROWS))
product_of_half = _intrinsic(_product(ROWS), HALF)
product_of_row = _intrinsic(_product(1))
grouped = _intrinsic(_grouped(ROWS))
grouped_half = _intrinsic(_grouped(ROWS), HALF)
grouped_at_one = _intrinsic(_grouped(1))
grouped_weight = _intrinsic(_grouped_weight)
grouped_weight_half = _intrinsic(_grouped_weight, HALF)
