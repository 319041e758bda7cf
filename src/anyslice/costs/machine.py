"""What costs are measured on, and what results are byte-equal on: a device, a machine."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def device_name(device: torch.device) -> str:
    """The model of a GPU; of a CPU, the model and the instructions that PyTorch uses."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{cpu_model()}, {torch.backends.cpu.get_cpu_capability()}"


def cpu_model() -> str:
    """As /proc/cpuinfo has it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or "unknown")


@dataclass(frozen=True)
class Machine:
    """What something was measured on.

    Attributes:
        cpu: its model.
        instructions: that PyTorch uses.
        cores: that there are.
        threads: that were used.
        torch: the version.
    """

    cpu: str
    instructions: str
    cores: int | None
    threads: int
    torch: str

    def __str__(self) -> str:
        return f"{self.cpu}, {self.threads} of {self.cores} threads, torch {self.torch}"


def this_machine(threads: int | None = None) -> Machine:
    """The CPU as this process uses it, by PyTorch's threads unless told otherwise."""
    import torch

    return Machine(
        cpu=cpu_model(),
        instructions=torch.backends.cpu.get_cpu_capability(),
        cores=os.cpu_count(),
        threads=threads or torch.get_num_threads(),
        torch=torch.__version__,
    )
