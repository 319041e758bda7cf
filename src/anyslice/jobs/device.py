"""The device that a training runs on, and its name: results are equal to the byte on one kind."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch

from anyslice.errors import AnysliceError


def choose_device(gpus: int) -> torch.device:
    """The GPU of this process, or the CPU if `gpus` of its run is 0.

    Raises:
        AnysliceError: if there is no GPU, or not one for each process on this machine.
    """
    if gpus == 0:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise AnysliceError("the run trains on GPUs (`gpus`), but torch sees none; set it to 0")
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if processes > torch.cuda.device_count():
        raise AnysliceError(
            f"{processes} processes train together, each on a GPU of its own, but torch sees "
            f"{torch.cuda.device_count()}; lower `gpus` of the run, or --processes"
        )
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device


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
