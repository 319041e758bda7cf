"""The innermost loops of BN and ReLU, and copies, for any number of channels; see vectors.py."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils

from anyslice_kernels.vectors import Vectors, columns, vector_function


def _fetch(emit: Vectors, address: Any, step: Any, count: Any) -> None:
    """Have `count` cache lines, `step` apart, brought near before they are needed."""
    with emit.loop(count, []) as (i, _):
        emit.fetch(emit.at(address, i, step))


def _copy(emit: Vectors, source: Any, size: Any, out: Any) -> None:
    """Copy some bytes."""
    byte = ir.IntType(8).as_pointer()
    from_here, to_here = (emit.builder.inttoptr(address, byte) for address in (source, out))
    cgutils.raw_memcpy(emit.builder, to_here, from_here, size, 1)


def _activate(
    emit: Vectors,
    x: Any,
    x_next: Any,
    channels: Any,
    count: Any,
    scale: Any,
    shift: Any,
    out: Any,
    out_next: Any,
) -> None:
    """`out = relu(scale x + shift)`, for some channels of `count` pixels."""

    def write(emit: Vectors, first: Any, together: int) -> None:
        scales = emit.load_side_by_side(emit.builder.add(scale, first), together)
        shifts = emit.load_side_by_side(emit.builder.add(shift, first), together)
        with emit.loop(count, []) as (pixel, _):
            from_here = emit.builder.add(emit.at(x, pixel, x_next), first)
            to_here = emit.builder.add(emit.at(out, pixel, out_next), first)
            for v, features in enumerate(emit.load_side_by_side(from_here, together)):
                z = emit.fma(features, scales[v], shifts[v])
                emit.store(emit.relu(z), emit.at(to_here, v, emit.size))

    columns(emit, channels, write)


def _upstream(
    emit: Vectors,
    g: Any,
    g_next: Any,
    channels: Any,
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

    def write(emit: Vectors, first: Any, together: int) -> None:
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

    columns(emit, channels, write)


def _through_relu(
    emit: Vectors,
    g: Any,
    g_next: Any,
    channels: Any,
    count: Any,
    z: Any,
    z_next: Any,
    x: Any,
    x_next: Any,
    mean: Any,
    sums: Any,
    products: Any,
    out: Any,
    out_next: Any,
) -> None:
    """`out = g`, 0 where z = 0; add it to the sums, and times x - mean to the products."""

    def write(emit: Vectors, first: Any, together: int) -> None:
        means = emit.load_side_by_side(emit.builder.add(mean, first), together)
        places = [
            emit.at(emit.builder.add(address, first), v, emit.size)
            for address in (sums, products)
            for v in range(together)
        ]
        totals = [emit.load(place) for place in places]
        with emit.loop(count, totals) as (pixel, inside):
            g_here, z_here, x_here, to_here = (
                emit.builder.add(emit.at(address, pixel, step), first)
                for address, step in ((g, g_next), (z, z_next), (x, x_next), (out, out_next))
            )
            activated = emit.load_side_by_side(z_here, together)
            features = emit.load_side_by_side(x_here, together)
            for v, gradient in enumerate(emit.load_side_by_side(g_here, together)):
                passed = emit.positive(activated[v], gradient)
                emit.store(passed, emit.at(to_here, v, emit.size))
                distance = emit.builder.fsub(features[v], means[v])
                inside[v] = emit.builder.fadd(inside[v], passed)
                inside[together + v] = emit.fma(passed, distance, inside[together + v])
        for total, place in zip(totals, places, strict=True):
            emit.store(total, place)

    columns(emit, channels, write)


def _sums_through_relu(
    emit: Vectors,
    g: Any,
    g_next: Any,
    channels: Any,
    count: Any,
    x: Any,
    x_next: Any,
    scale: Any,
    shift: Any,
    mean: Any,
    sums: Any,
    products: Any,
) -> None:
    """Add g, 0 where scale x + shift is, to the sums, and times x - mean to the products."""

    def write(emit: Vectors, first: Any, together: int) -> None:
        scales, shifts, means = (
            emit.load_side_by_side(emit.builder.add(address, first), together)
            for address in (scale, shift, mean)
        )
        places = [
            emit.at(emit.builder.add(address, first), v, emit.size)
            for address in (sums, products)
            for v in range(together)
        ]
        totals = [emit.load(place) for place in places]
        with emit.loop(count, totals) as (pixel, inside):
            g_here, x_here = (
                emit.builder.add(emit.at(address, pixel, step), first)
                for address, step in ((g, g_next), (x, x_next))
            )
            features = emit.load_side_by_side(x_here, together)
            for v, gradient in enumerate(emit.load_side_by_side(g_here, together)):
                z = emit.fma(features[v], scales[v], shifts[v])
                passed = emit.positive(z, gradient)
                distance = emit.builder.fsub(features[v], means[v])
                inside[v] = emit.builder.fadd(inside[v], passed)
                inside[together + v] = emit.fma(passed, distance, inside[together + v])
        for total, place in zip(totals, places, strict=True):
            emit.store(total, place)

    columns(emit, channels, write)


def _norm_relu_gradient(
    emit: Vectors,
    g: Any,
    g_next: Any,
    channels: Any,
    count: Any,
    x: Any,
    x_next: Any,
    scale: Any,
    shift: Any,
    slope: Any,
    offset: Any,
    out: Any,
    out_next: Any,
    *residual: Any,
) -> None:
    """`out = scale g + slope x + offset`, without g where scale x + shift is not positive.

    With (address, step), + residual.
    """

    def write(emit: Vectors, first: Any, together: int) -> None:
        scales, shifts, slopes, offsets = (
            emit.load_side_by_side(emit.builder.add(address, first), together)
            for address in (scale, shift, slope, offset)
        )
        streams = [(g, g_next), (x, x_next)] + ([residual] if residual else [])
        with emit.loop(count, []) as (pixel, _):
            gradients, features, *rest = (
                emit.load_side_by_side(
                    emit.builder.add(emit.at(address, pixel, step), first), together
                )
                for address, step in streams
            )
            to_here = emit.builder.add(emit.at(out, pixel, out_next), first)
            for v in range(together):
                z = emit.fma(features[v], scales[v], shifts[v])
                total = emit.fma(features[v], slopes[v], offsets[v])
                total = emit.fma(emit.positive(z, gradients[v]), scales[v], total)
                if rest:
                    total = emit.builder.fadd(total, rest[0][v])
                emit.store(total, emit.at(to_here, v, emit.size))

    columns(emit, channels, write)


def _distances(
    emit: Vectors,
    x: Any,
    x_next: Any,
    channels: Any,
    count: Any,
    origin: Any,
    sums: Any,
    squares: Any,
) -> None:
    """The sums over `count` pixels of x - origin and of its square."""

    def write(emit: Vectors, first: Any, together: int) -> None:
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

    columns(emit, channels, write)


fetch = vector_function(_fetch)
copy = vector_function(_copy)
activate = vector_function(_activate)
upstream = vector_function(_upstream)
through_relu = vector_function(_through_relu)
sums_through_relu = vector_function(_sums_through_relu)
norm_relu_gradient = vector_function(_norm_relu_gradient)
distances = vector_function(_distances)
