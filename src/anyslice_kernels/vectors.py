"""What the innermost loops are written with, for the registers of a CPU.

A compiler keeps sums in registers only if it sees all of them at once, and multiplies grouped
channels as vectors only if it is told how. So these loops are put together here from vectors of
LANES channels, as LLVM's instructions, which LLVM maps to those of the CPU (AVX-512,
AVX2, NEON).

    elementwise.py  the loops of BN and ReLU
    products.py     those of convolutions

Each is called with a tuple of integers and `zero`, a number of the tensors' type (float32 or
float64). Addresses and steps are in bytes; unless said otherwise an address is that of a vector,
and a step that from one pixel's vector to the next one's. Nothing is checked: whoever calls these
answers for the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from anyslice_kernels.data import LANES

_INT = ir.IntType(64)


class Registers(NamedTuple):
    """The vector registers of a CPU: how many, and of how many bytes."""

    number: int
    bytes: int

    @staticmethod
    def of(context: Any) -> Registers:
        """Those of the CPU that Numba compiles for."""
        triple, _, features = context.codegen().magic_tuple()
        if "+avx512vl" in features.split(","):
            return Registers(32, 64)
        if triple.startswith(("aarch64", "arm64")):
            return Registers(32, 16)
        return Registers(16, 32 if "+avx" in features.split(",") else 16)


class Vectors:
    """Writes instructions on vectors of one type of number, or on the first lanes of vectors.

    Attributes:
        builder: of LLVM's instructions.
        lanes: how many are used.
        room: for how many vectors there are registers.
        bytes: of a number.
        size: bytes from vector to vector.
        type: LLVM's.
        zero: a vector.
    """

    def __init__(self, builder: Any, element: Any, lanes: int, registers: Registers) -> None:
        self.builder = builder
        self.lanes = lanes
        self.bytes = 4 if isinstance(element, ir.FloatType) else 8
        self.room = registers.number // -(-lanes * self.bytes // registers.bytes)
        self.size = integer(LANES * self.bytes)
        self.type = ir.VectorType(element, lanes)
        self.zero = ir.Constant(self.type, [0.0] * lanes)
        name = f"llvm.fmuladd.v{lanes}f{8 * self.bytes}"
        fma_type = ir.FunctionType(self.type, [self.type] * 3)
        self._fma = cgutils.get_or_insert_function(builder.module, fma_type, name)
        self._element, self._registers = element, registers

    def narrower(self, lanes: int) -> Vectors:
        """The same for vectors of fewer lanes."""
        return Vectors(self.builder, self._element, lanes, self._registers)

    def at(self, address: Any, count: Any, step: Any) -> Any:
        """`address + count step`."""
        count = integer(count) if isinstance(count, int) else count
        return self.builder.add(address, self.builder.mul(count, step))

    def after(self, address: Any, numbers: int) -> Any:
        """The address so many numbers further on."""
        return self.builder.add(address, integer(numbers * self.bytes))

    def load(self, address: Any) -> Any:
        """The vector at an address."""
        pointer = self.builder.inttoptr(address, self.type.as_pointer())
        return self.builder.load(pointer, align=self.bytes)

    def store(self, vector: Any, address: Any) -> None:
        """Write a vector to an address."""
        pointer = self.builder.inttoptr(address, self.type.as_pointer())
        self.builder.store(vector, pointer, align=self.bytes)

    def load_side_by_side(self, address: Any, count: int) -> list[Any]:
        """Vectors next to each other, the first at an address."""
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
        first = self.builder.insert_element(
            ir.Constant(self.type, ir.Undefined), number, integer(0)
        )
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

    def relu(self, z: Any) -> Any:
        """Lane by lane z, and 0 where z < 0."""
        return self.builder.select(self.builder.fcmp_ordered(">", self.zero, z), self.zero, z)

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


def integer(value: int) -> Any:
    """A constant, for instructions."""
    return ir.Constant(_INT, value)


def vector_function(write: Callable[..., None], lanes: int = LANES) -> Any:
    """A function (integers, zero) for compiled code, whose instructions `write` writes."""

    def typed(_: Any, integers: Any, zero: Any) -> Any:
        def generate(context: Any, builder: Any, __: Any, values: Any) -> Any:
            element = context.get_value_type(zero)
            emit = Vectors(builder, element, lanes, Registers.of(context))
            write(emit, *cgutils.unpack_tuple(builder, values[0]))
            return context.get_dummy_value()

        return types.void(integers, zero), generate

    return intrinsic(typed)


def columns(emit: Vectors, channels: Any, write: Callable[[Vectors, Any, int], None]) -> None:
    """Have all channels of a pixel written for: 4 vectors side by side while there are, 2, 1.

    Not 4 where the sums, and what is the same for all pixels, would not stay in registers.

    What is left is taken by vectors of half the lanes, a quarter, ... a single one.

    Args:
        emit: writes.
        channels: how many there are.
        write: called with what writes vectors of so many lanes, the distance of the first from
            a pixel's address in bytes, and how many vectors.
    """
    done = integer(0)
    side_by_side = [together for together in (4, 2) if 4 * together <= emit.room]
    whole = [(LANES, together) for together in side_by_side]
    for lanes, together in (*whole, *((LANES >> i, 1) for i in range(5))):
        group = integer(lanes * together)
        groups = emit.builder.sdiv(emit.builder.sub(channels, done), group)
        narrower = emit.narrower(lanes)
        with emit.loop(groups, []) as (i, _):
            first = emit.builder.add(done, emit.builder.mul(i, group))
            write(narrower, emit.builder.mul(first, integer(emit.bytes)), together)
        done = emit.builder.add(done, emit.builder.mul(groups, group))
