"""What runs a trained network here; exported models are kept in the user's cache."""

from __future__ import annotations

from functools import partial
from typing import get_args

import torch

from anyslice.errors import AnysliceError
from anyslice.predict.cache import cached_path, kept_or_made
from anyslice.predict.engine import (
    Engine,
    EngineName,
    OnnxEngine,
    Part,
    TorchEngine,
    exporter,
    onnx_is_installed,
    require_onnx,
)
from anyslice.predict.run_folder import TrainedRun


def usable(device: str | torch.device) -> torch.device:
    """The device of a name.

    Raises:
        AnysliceError: if there is none here.
    """
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise AnysliceError(f"device {device} cannot be used: {error}") from None


def make_engine(run: TrainedRun, name: EngineName, device: torch.device) -> Engine:
    """The engine of a name for a device.

    Raises:
        AnysliceError: if it is unknown, not installed or does not run there.
    """
    if name not in get_args(EngineName):
        raise AnysliceError(f"engine={name}: choose from {', '.join(get_args(EngineName))}")
    if name == "torch" or (name == "auto" and (device.type != "cpu" or not onnx_is_installed())):
        return TorchEngine(run.network, device)
    require_onnx()
    if device.type != "cpu":
        raise AnysliceError(
            f"ONNX Runtime is used on the CPU only, not on {device}; use engine torch"
        )
    return OnnxEngine(partial(_exported, run), torch.get_num_threads())


def _exported(run: TrainedRun, part: Part, k: int) -> bytes:
    """The ONNX model of a sub-network or step: the one kept, or a new one, which takes seconds."""
    from anyslice.predict.export import program_of

    facts = {
        "weights": run.weights_sha256,
        "exporter": exporter(),
        part: k,
    }
    return kept_or_made(
        cached_path("onnx", facts, ".onnx"),
        lambda: program_of(run, part, k).model_proto.SerializeToString(),
    )
