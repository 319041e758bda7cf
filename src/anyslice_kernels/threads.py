"""Compiled functions in as many threads as PyTorch uses, which are PyTorch's own."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import numba
import numpy as np
import torch
from llvmlite import ir
from numba import carray, cfunc, njit, types
from numba.extending import intrinsic, models, register_model
from torch import Tensor

_INTEGERS = (
    "taken",  # parts that threads took; for `_take` counts at the task's address
    "taken_next",  # the same of a second phase, after `wait`
    "taken_last",
    "parts",
    "barrier",  # address of the function that waits for all threads; 0 in a single one
    "images",
    "height",
    "width",
    "inputs",  # channels of x
    "outputs",  # channels of y
    "group",  # channels in a group of a convolution
    "used",  # channels that are not padding
    "summed",  # parts whose sums are there
    "times",  # pixels that are taken as one
    "room",  # numbers in the scratch memory of a part
    "x_row",  # numbers from pixel to pixel, where tensors need not be contiguous
    "g_row",
    "out_row",
)
_TENSORS = (
    "x",
    "scale",
    "shift",
    "mean",
    "inverse",
    "weight",
    "bias",
    "running_mean",
    "running_var",
    "reach",
    "reach_back",
    "residual",
    "y",
    "g",
    "gain",
    "slope",
    "offset",
    "out",
    "means",
    "squares",
    "sums",
    "products",
    "grad_weight",
    "scratch",
)
_REALS = ("momentum", "eps")


def _task_type(real: type) -> type[ctypes.Structure]:
    """What a function is called with; `zero` is there for the type of the tensors' numbers."""
    fields: list[tuple[str, type]] = [(name, ctypes.c_int64) for name in (*_INTEGERS, *_TENSORS)]
    fields += [(name, ctypes.c_double) for name in _REALS]
    return type("_Task", (ctypes.Structure,), {"_fields_": [*fields, ("zero", real)]})


_TASKS = {torch.float32: _task_type(ctypes.c_float), torch.float64: _task_type(ctypes.c_double)}


class _TaskRecord(types.Record):  # type: ignore[misc]
    """Numba's type of a task, which symbols of compiled functions name by its type of number.

    They name other records by a number that counts within a process. Of functions kept by two
    processes, one for float32 and one for float64, symbols had the same names then, and a third
    process that used both called one for the other.
    """

    @property
    def mangling_args(self) -> tuple[str, tuple[Any, ...]]:
        return "Task", (self.fields["zero"].type,)


register_model(_TaskRecord)(models.RecordModel)


def _record(task: type[ctypes.Structure]) -> _TaskRecord:
    plain = numba.from_dtype(np.dtype(task))
    fields = [(name, field._asdict()) for name, field in plain.fields.items()]
    return _TaskRecord(fields, plain.size, plain.aligned)


def run(
    function: Callable[[Any], None],
    numbers: Mapping[str, float],
    tensors: Mapping[str, Tensor],
) -> None:
    """Call a function in all threads with one task, whose parts they share.

    Args:
        function: to be compiled; its argument is a pointer to the task.
        numbers: the task's integers and reals; what is not named is 0, as are the addresses.
        tensors: whose addresses the task holds, of one floating type.

    Raises:
        ValueError: if a tensor is not contiguous, or their types differ.
    """
    for name, tensor in tensors.items():
        if not tensor.is_contiguous():
            raise ValueError(f"{name} with strides {tensor.stride()} must be contiguous")
    dtypes = {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()}
    if len(dtypes) > 1:
        raise ValueError(f"tensors of different types, {dtypes}, must be of one")
    addresses = {name: tensor.data_ptr() for name, tensor in tensors.items()}
    call(function, dtypes.pop(), **numbers, **addresses)


def call(function: Callable[[Any], None], dtype: torch.dtype, **fields: float) -> None:
    """`run` without its checks, for operations so short that these would take most of the time.

    Args:
        function: see `run`.
        dtype: of the tensors whose addresses the task holds.
        fields: of the task.
    """
    task = _TASKS[dtype](**fields)
    compiled, openmp = _compiled(function, dtype), _openmp()
    if openmp is None or task.parts == 1 or torch.get_num_threads() == 1:
        compiled.ctypes(ctypes.addressof(task))
    else:
        task.barrier = openmp.barrier
        openmp.parallel(compiled.address, ctypes.addressof(task), torch.get_num_threads(), 0)


class _OpenMP(NamedTuple):
    """GNU OpenMP: runs a function in some threads; the address of its barrier."""

    parallel: Callable[..., None]
    barrier: int


@functools.cache
def _openmp() -> _OpenMP | None:
    """PyTorch's own GNU OpenMP, or None: a second set of threads would fight its for the cores."""
    for name in Path(torch.__file__).parent.glob("lib/libgomp*.so*"):
        try:
            library = ctypes.CDLL(str(name), mode=os.RTLD_NOW | os.RTLD_NOLOAD)
            parallel, barrier = library.GOMP_parallel, library.GOMP_barrier
        except (OSError, AttributeError):
            continue
        parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
        parallel.restype = None
        return _OpenMP(parallel, cast(int, ctypes.cast(barrier, ctypes.c_void_p).value))
    return None


def cache_folder(sources: Iterable[Path], within: Path) -> Path:
    """Where to keep what is compiled from some files: their content names the folder.

    Numba knows a cached function by the file that it is in alone, and would go on with it after
    another file, of functions that it calls, has changed.
    """
    digest = hashlib.sha256()
    for source in sorted(sources):
        digest.update(source.read_bytes())
    return within / digest.hexdigest()[:16]


def _cache_base(here: Path) -> Path:
    """What NUMBA_CACHE_DIR says, else beside the source, else the user's cache folder."""
    if numba.config.CACHE_DIR:
        return Path(numba.config.CACHE_DIR)
    if os.access(here, os.W_OK):
        return here / "__pycache__"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "anyslice"


@contextmanager
def _kept_in(folder: Path) -> Iterator[None]:
    """Have Numba keep what it compiles meanwhile in a folder; others' functions stay elsewhere."""
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder)
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


@functools.cache
def _folder() -> Path:
    here = Path(__file__).parent
    return cache_folder(here.glob("*.py"), _cache_base(here))


@functools.cache
def _compiled(function: Callable[[Any], None], dtype: torch.dtype) -> Any:
    signature = types.void(types.CPointer(_record(_TASKS[dtype])))
    try:
        with _kept_in(_folder()):
            return cfunc(signature, cache=True)(function)
    except Exception:  # The folder cannot be written, or holds half a file: compile without it now.
        shutil.rmtree(_folder(), ignore_errors=True)
        return cfunc(signature)(function)


def _type_pointer(_: Any, address: Any, element: Any) -> Any:
    pointer = types.CPointer(element)

    def generate(context: Any, builder: Any, __: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(pointer))

    return pointer(address, element), generate


def _type_take(_: Any, task: Any, phase: Any) -> Any:
    def generate(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        integer = ir.IntType(64)
        first = builder.ptrtoint(arguments[0], integer)
        address = builder.add(first, builder.mul(arguments[1], ir.Constant(integer, 8)))
        counter = builder.inttoptr(address, integer.as_pointer())
        return builder.atomic_rmw("add", counter, ir.Constant(integer, 1), "monotonic")

    return types.int64(task, types.int64), generate


def _type_wait(_: Any, barrier: Any) -> Any:
    def generate(context: Any, builder: Any, __: Any, arguments: Any) -> Any:
        there = builder.icmp_unsigned("!=", arguments[0], ir.Constant(ir.IntType(64), 0))
        with builder.if_then(there):
            function = ir.FunctionType(ir.VoidType(), []).as_pointer()
            builder.call(builder.inttoptr(arguments[0], function), [])
        return context.get_dummy_value()

    return types.void(barrier), generate


pointer_to: Callable[[int, float], Any] = intrinsic(_type_pointer)
"""For compiled functions: an address as a pointer to numbers of the second argument's type."""

# Add 1 to the counter of a phase of a task and return what it was: no two threads get the same.
_take: Callable[[Any, int], int] = intrinsic(_type_take)

wait: Callable[[int], None] = intrinsic(_type_wait)
"""For compiled functions: a barrier of all threads; the argument is the task's `barrier`."""


@njit
def task_at(pointer: Any) -> Any:
    """For compiled functions: the task that they were called with."""
    return carray(pointer, 1)[0]


@njit
def parts_taken(pointer: Any, phase: int = 0) -> Iterator[int]:
    """For compiled functions: the parts of a task that fall to this thread, in phase 0, 1 or 2."""
    parts = task_at(pointer).parts
    part = _take(pointer, phase)
    while part < parts:
        yield part
        part = _take(pointer, phase)


@njit
def is_mine(pointer: Any, phase: int) -> bool:
    """For compiled functions: whether a phase of a single piece falls to this thread."""
    return _take(pointer, phase) == 0
