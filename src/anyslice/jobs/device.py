"""The device that a training runs on."""

from __future__ import annotations

import os

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
