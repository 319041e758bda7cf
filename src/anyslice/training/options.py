"""Determinism, and faster execution."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from anyslice.errors import AnysliceError


@dataclass(frozen=True)
class Options:
    """How a training is executed.

    Attributes:
        bf16: autocast to bfloat16 in training; evaluation stays in float32. The features between
            residual blocks are bfloat16 too.
        tf32: TensorFloat-32 products on GPUs that have them.
        cuda_graphs: each step as one CUDA graph, which changes no byte; None is on a GPU in one
            process. Several processes capture the exchange between them too, which no test on
            two GPUs has shown yet, so they do it only where asked to.
    """

    bf16: bool = False
    tf32: bool = False
    cuda_graphs: bool | None = None

    @property
    def inexact(self) -> list[str]:
        """Names of those in use whose results differ from the reference in their last bits."""
        return [name for name in ("bf16", "tf32") if getattr(self, name)]

    def graphs(self, device: torch.device, world: int) -> bool:
        """Whether steps are CUDA graphs."""
        by_default = device.type == "cuda" and world == 1
        return by_default if self.cuda_graphs is None else self.cuda_graphs

    def check(self, device: torch.device) -> None:
        """Refuse what cannot work.

        Raises:
            AnysliceError: saying what would.
        """
        if device.type != "cuda" and (self.tf32 or self.cuda_graphs):
            raise AnysliceError(
                "TF32 and CUDA graphs need a GPU: set `gpus` in the scale, or drop them"
            )

    def autocast(self, device: torch.device) -> AbstractContextManager[Any]:
        """The precision of forward and loss in training.

        On a GPU weights are cast again for each sub-network: under capture a cache would outlive
        the graph's memory.
        """
        if not self.bf16:
            return nullcontext()
        return torch.autocast(device.type, torch.bfloat16, cache_enabled=device.type != "cuda")


def make_deterministic(threads: int, options: Options) -> None:
    """Same seed, same machine, same threads: the same bytes. Call before anything touches a GPU."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode("error")  # use_deterministic_algorithms loads the compiler
    # Nothing reads memory before it is written, so filling it first would only take time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = options.tf32  # PyTorch's own default is on
    torch.backends.cuda.matmul.allow_tf32 = options.tf32
