"""What costs are measured on, and what results are byte-equal on: a device, a machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch


def device_name(device: torch.device) -> str:
    """The model of a GPU; of a CPU, the model and the instructions that PyTorch uses."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{cpu_model()}, {torch.backends.cpu.get_cpu_capability()}"


def cpu_model() -> str:
    """As /proc/cpuinfo has it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or "unknown")


def this_machine() -> dict[str, Any]:
    """The CPU as this process uses it, for the record of what was measured on it."""
    return {
        "cpu": cpu_model(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def machine_line(machine: Mapping[str, Any]) -> str:
    """What `this_machine` gave, in a line."""
    return "{cpu}, {threads} of {cores} threads, torch {torch}".format(**machine)
