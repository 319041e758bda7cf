"""CUDA graphs on the CPU: what a capture records is taken back, and done anew by each replay.

It stands in for `torch.cuda.graph` where a test asks what a captured step computes, and for the one
rule of captures that a CPU can show: in the mode "global" no other thread may use the device.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

WITH_BUFFERS = ("batch_norm", "fused_sgd")
"""Operations that change tensors which their schema does not name."""


def place(tensor: Tensor) -> int:
    """What tells a tensor's memory from others'."""
    return tensor.untyped_storage().data_ptr()


def tensors_in(values: Any) -> list[Tensor]:
    """All tensors of nested arguments or results."""
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


class Recorder(TorchDispatchMode):
    """Lists operations; remembers what memory that was there before them held."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, ...]] = []
        self.before: dict[int, tuple[Tensor, Tensor]] = {}
        self.made: list[Tensor] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Do the operation and list it."""
        changes = func._schema.is_mutable or any(name in str(func) for name in WITH_BUFFERS)
        made = {place(tensor) for tensor in self.made}
        for tensor in tensors_in((args, kwargs)) if changes else ():
            if place(tensor) not in made:
                flat = torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage())
                self.before.setdefault(place(tensor), (flat, flat.clone()))
        out = func(*args, **(kwargs or {}))
        given = {place(tensor) for tensor in tensors_in((args, kwargs))}
        self.made += [tensor for tensor in tensors_in(out) if place(tensor) not in given]
        self.calls.append((func, args, kwargs or {}, out))
        return out


class Graph:
    """In place of torch.cuda.CUDAGraph."""

    calls: list[tuple[Any, ...]]

    def replay(self) -> None:
        """Do every recorded operation again, its results where they were."""
        with torch.no_grad():
            for func, args, kwargs, out in self.calls:
                again = func(*args, **kwargs)
                for old, new in zip(tensors_in(out), tensors_in(again), strict=True):
                    if place(old) != place(new):
                        old.detach().copy_(new)


@contextlib.contextmanager
def capture(graph: Graph, stream: Any = None, capture_error_mode: str = "global") -> Iterator[None]:
    """In place of torch.cuda.graph."""
    if capture_error_mode == "global" and threading.active_count() > 1:
        raise RuntimeError("another thread used the device during a capture of mode global")
    with Recorder() as recorder:
        yield
    graph.calls = recorder.calls
    for flat, value in recorder.before.values():
        flat.copy_(value)


class Stream:
    """In place of torch.cuda.Stream: there is one queue only."""

    def wait_stream(self, stream: Any) -> None:
        """Nothing to wait for."""


def replace_cuda_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have GraphStep work on the CPU."""
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", capture)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
