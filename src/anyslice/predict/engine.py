"""What runs a network's sub-networks: PyTorch, or ONNX Runtime where it is installed.

An engine takes images as float32 tensors on the CPU and gives logits as arrays, one (N, labels) for
each level. The features between two steps are its own; it can pick rows of them.
"""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import lru_cache, partial
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from anyslice.errors import AnysliceError
from anyslice.networks.base import AnytimeNetwork
from anyslice.networks.heads import levels

EngineName = Literal["auto", "onnxruntime", "torch"]
Part = Literal["subnetwork", "step"]
LevelLogits = tuple[npt.NDArray[np.float32], ...]
Features = Sequence[Any]

if hasattr(os, "register_at_fork"):  # its threads do not survive a fork: it would wait for them
    os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))


class Engine(ABC):
    """Runs sub-networks, each made ready when it is first asked for.

    Attributes:
        name: with its version; times measured with one are not those of another.
        recording: whether it is made ready for each number of images anew.
    """

    name: str
    recording: bool = False

    @property
    def threads(self) -> int:
        """CPU threads of a call."""
        return torch.get_num_threads()

    @abstractmethod
    def subnetwork(self, k: int, images: Tensor) -> LevelLogits:
        """Logits of sub-network k."""

    @abstractmethod
    def step(self, k: int, images: Tensor, before: Features) -> tuple[LevelLogits, Features]:
        """Logits of sub-network k, from the features that step k - 1 left, and what step k leaves.

        Raises:
            TypeError: if the network is not interruptible.
        """

    @abstractmethod
    def select(self, features: Features, rows: Sequence[int]) -> Features:
        """The features of some images."""


class TorchEngine(Engine):
    """PyTorch; on a GPU by CUDA graphs, one for each number of images, by one thread at a time.

    Args:
        network: in eval mode.
        device: where to run.
    """

    def __init__(self, network: AnytimeNetwork, device: torch.device) -> None:
        self.name = f"torch {torch.__version__} {device.type}"
        self.device = device
        self._network = network = network.to(device)
        self.recording = device.type == "cuda"
        self._alone = threading.Lock() if self.recording else nullcontext()
        run = CudaGraphs if self.recording else lambda module: module
        self._subnetwork = lru_cache(maxsize=None)(
            lambda k: run(network.dense_subnetwork(k).to(device).eval())
        )
        self._steps = lru_cache(maxsize=None)(lambda: [run(step) for step in network.steps()])

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._network, self.device)

    @torch.inference_mode()
    def subnetwork(self, k: int, images: Tensor) -> LevelLogits:
        """See Engine."""
        with self._alone:
            return _as_arrays(self._subnetwork(k)(images.to(self.device)))

    @torch.inference_mode()
    def step(self, k: int, images: Tensor, before: Features) -> tuple[LevelLogits, Features]:
        """See Engine."""
        with self._alone:
            logits, *left = self._steps()[k - 1](images.to(self.device), *before)
            if self.recording:  # other images may be refined before these go on
                left = [feature.clone() for feature in left]
            return _as_arrays(logits), left

    def select(self, features: Features, rows: Sequence[int]) -> Features:
        """See Engine."""
        index = torch.tensor(rows, device=self.device)
        return [feature[index] for feature in features]


class CudaGraphs:
    """A module whose kernels are recorded once for each shape of input and then replayed."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self._recorded: dict[Any, tuple[torch.cuda.CUDAGraph, tuple[Tensor, ...], Any]] = {}

    def __call__(self, *inputs: Tensor) -> Any:
        """What the module gives, in memory that the next call with such inputs overwrites."""
        key = tuple(tensor.shape for tensor in inputs)
        if key not in self._recorded:
            self._recorded[key] = self._record(inputs)
        graph, places, outputs = self._recorded[key]
        for place, tensor in zip(places, inputs, strict=True):
            place.copy_(tensor)
        graph.replay()
        return outputs

    def _record(self, inputs: Sequence[Tensor]) -> tuple[torch.cuda.CUDAGraph, Any, Any]:
        places = tuple(tensor.clone() for tensor in inputs)
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # cuDNN chooses its kernels before the recording
            for _ in range(3):
                self.module(*places)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            outputs = self.module(*places)
        return graph, places, outputs


class OnnxEngine(Engine):
    """ONNX Runtime on the CPU.

    Args:
        model: gives the ONNX model of a sub-network ("subnetwork", k) or step ("step", k).
        threads: of one call.
    """

    def __init__(self, model: Callable[[Part, int], bytes], threads: int) -> None:
        onnxruntime = import_onnxruntime()
        self.name = f"onnxruntime {onnxruntime.__version__}"
        self._model, self._threads = model, threads
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3

        def load(part: Part, k: int, process: int) -> tuple[Any, list[str], int]:
            """Of a model what runs it, the names of its inputs, and how many logits it gives.

            In each process anew, since ONNX Runtime's threads do not survive a fork.
            """
            session = onnxruntime.InferenceSession(
                model(part, k), options, providers=["CPUExecutionProvider"]
            )
            inputs, outputs = (
                [place.name for place in places]
                for places in (session.get_inputs(), session.get_outputs())
            )
            return session.run, inputs, sum(name.startswith("logits") for name in outputs)

        self._load = lru_cache(maxsize=None)(load)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._model, self._threads)

    @property
    def threads(self) -> int:
        """See Engine; what PyTorch was told later changes nothing here."""
        return self._threads

    def subnetwork(self, k: int, images: Tensor) -> LevelLogits:
        """See Engine."""
        run, _, _ = self._load("subnetwork", k, os.getpid())
        return tuple(run(None, {"images": images.contiguous().numpy(force=True)}))

    def step(self, k: int, images: Tensor, before: Features) -> tuple[LevelLogits, Features]:
        """See Engine."""
        run, names, D = self._load("step", k, os.getpid())
        values = [images.contiguous().numpy(force=True), *before]
        found = run(None, dict(zip(names, values[-len(names) :], strict=True)))
        return tuple(found[:D]), found[D:]

    def select(self, features: Features, rows: Sequence[int]) -> Features:
        """See Engine."""
        return [feature[rows] for feature in features]


def import_onnxruntime() -> Any:
    """ONNX Runtime, told not to send usage data, which its builds for Linux do since 1.29."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


def onnx_is_installed() -> bool:
    """Whether what exports to ONNX and runs it is there."""
    return all(find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime"))


def require_onnx() -> None:
    """Raise AnysliceError unless it is there."""
    if not onnx_is_installed():
        raise AnysliceError(
            "ONNX is not installed; install it with: pip install onnx onnxruntime onnxscript"
        )


def exporter() -> str:
    """What exports, with versions: another one may export another graph."""
    return f"torch {version('torch')}, onnxscript {version('onnxscript')}"


def _as_arrays(logits: Any) -> LevelLogits:
    return tuple(of_level.cpu().numpy() for of_level in levels(logits))
