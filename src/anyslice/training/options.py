"""Determinism, and faster but inexact execution (off by default)."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Options:
    """Faster than the reference, not equal to it to the last bit; recorded in metrics.json.

    Attributes:
        bf16: autocast to bfloat16 in training; evaluation stays in float32.
        tf32: TensorFloat-32 products on GPUs that have them.
        compile: torch.compile.
        cuda_graphs: CUDA graphs, by torch.compile(mode="reduce-overhead").
    """

    bf16: bool = False
    tf32: bool = False
    compile: bool = False
    cuda_graphs: bool = False

    @property
    def on(self) -> list[str]:
        """Names of those in use."""
        return [name for name, value in asdict(self).items() if value]

    def check(self, device: torch.device, world: int) -> None:
        """Refuse what cannot work.

        Raises:
            ValueError: saying what would.
        """
        if device.type != "cuda" and (self.tf32 or self.cuda_graphs):
            raise ValueError(
                "TF32 and CUDA graphs need a GPU: set `gpus` in the scale, or drop them"
            )
        if world > 1 and (self.compile or self.cuda_graphs):
            raise ValueError(
                "torch.compile and CUDA graphs work with one process only: BN statistics are "
                "exchanged between processes inside the network"
            )

    def autocast(self, device: torch.device) -> AbstractContextManager[Any]:
        """The precision of forward and loss in training."""
        return torch.autocast(device.type, torch.bfloat16) if self.bf16 else nullcontext()


def make_deterministic(threads: int, options: Options) -> None:
    """Same seed, same machine, same threads: the same bytes. Call before anything touches a GPU."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode("error")  # use_deterministic_algorithms loads the compiler
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = options.tf32  # PyTorch's own default is on
    torch.backends.cuda.matmul.allow_tf32 = options.tf32
