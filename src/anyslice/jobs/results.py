"""The files of a finished training: weights, metrics, history, predictions, wall time."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import save
from torch import Tensor

from anyslice.config.families import NetworkParams, SideBySide
from anyslice.errors import AnysliceError
from anyslice.files import read_json, remove_half_written, sha256, write_atomically, write_json
from anyslice.jobs.deployment import Deployment
from anyslice.jobs.identity import Identity
from anyslice.jobs.inputs import Inputs
from anyslice.paths import ERRORS, HISTORY, METRICS, PREDICTIONS, TIMING, WEIGHTS
from anyslice.training.loop import Trained
from anyslice.training.state import Epoch

PACKAGES = ("anyslice", "torch", "torchvision", "numpy")
FILES = (WEIGHTS, PREDICTIONS, HISTORY, ERRORS, TIMING, METRICS)
"""What a finished training leaves, in the order in which it is written.

Without test images there are no PREDICTIONS. All but TIMING are the same bytes when the training is
repeated.
"""


def write_training(
    folder: Path,
    trained: Trained,
    inputs: Inputs,
    deployment: Deployment,
    *,
    scale: str,
    execution: dict[str, Any],
) -> None:
    """Write FILES; metrics.json, the last, says that the training is finished.

    There errors are in percent, sub-networks from thinnest or shallowest to full; the execution has
    devices, processes and options.
    """
    _write_tensors(folder / WEIGHTS, trained.network.state_dict())
    if test := trained.test:
        predictions = {"predictions": test.labels, "labels": test.truth}
        _write_tensors(folder / PREDICTIONS, {k: v.to(torch.int16) for k, v in predictions.items()})
    with write_atomically(folder / HISTORY) as path:
        pd.DataFrame([row(epoch) for epoch in trained.history]).to_csv(path, index=False)
    write_json(folder / ERRORS, ends(trained))
    write_json(folder / TIMING, {"wall_seconds": round(trained.seconds, 1)})
    identity = inputs.identity
    metrics: dict[str, Any] = {
        "run": identity.run,
        "scale": scale,
        "seed": identity.seed,
        "chosen_epoch": trained.chosen_epoch,
        "validation_error": [by_level[0] for by_level in trained.validation_errors],
        "validation_error_by_level": trained.validation_errors,
        "branch_norms": branch_norms(trained.network.state_dict(), inputs.run.network),
        "parameters": asdict(inputs.run),
        "execution": execution,
        "data_manifest_sha256": identity.data,
        "code_sha256": identity.code,
        "key": identity.key,
        "packages": packages(),
        "weights_sha256": sha256(folder / WEIGHTS),
        "deployment": asdict(deployment),
    }
    if test:
        metrics |= {
            "labels": [int(labels.max()) + 1 for labels in test.truth],
            "test_error": [by_level[0] for by_level in test.errors],
            "test_error_by_level": test.errors,
            "lost_later": lost_later(test.labels[:, 0] == test.truth[0]),
        }
    write_json(folder / METRICS, metrics)


def is_finished(folder: Path, identity: Identity) -> bool:
    """Whether the folder holds the result of exactly this training.

    Raises:
        AnysliceError: if it holds the result of another run or seed.
    """
    if not (folder / METRICS).exists():
        return False
    found = read_json(folder / METRICS)
    ours = found.get("key") == identity.key  # under a name that the run had before, too
    if not ours and (found.get("run"), found.get("seed")) != (identity.run, identity.seed):
        raise AnysliceError(
            f"{folder} holds the result of {found.get('run')} seed {found.get('seed')}, not of "
            f"{identity.run} seed {identity.seed}; choose another --output. Nothing was changed."
        )
    expected = [name for name in FILES if name != PREDICTIONS or identity.parameters["test"]]
    return ours and all((folder / n).exists() for n in expected)


def clear(folder: Path) -> None:
    """Remove an earlier result of the run: until there is a new one, nothing looks like one.

    It also finds out, before hours of training, whether the folder can be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in reversed(FILES):
        (folder / name).unlink(missing_ok=True)
    remove_half_written(folder)
    probe = folder / f".{os.getpid()}.part"
    probe.touch()
    probe.unlink()


def row(epoch: Epoch) -> dict[str, float]:
    """One row of history.csv: errors in percent, columns numbered by sub-network (and level)."""
    D = len(epoch.validation_errors[0])
    columns: dict[str, float] = {"epoch": epoch.epoch, "learning_rate": epoch.learning_rate}
    for k, loss in enumerate(epoch.train_losses, start=1):
        columns[f"train_loss_{k}"] = loss
    for k, by_level in enumerate(epoch.validation_errors, start=1):
        for d, error in enumerate(by_level, start=1):
            suffix = f"{k}" if D == 1 else f"{k}_level{d}"
            columns[f"validation_error_{suffix}"] = error
    return columns


def lost_later(right: Tensor) -> list[float]:
    """For each sub-network, percent of images that it has right and some larger one has wrong.

    Args:
        right: (K, N), bool.
    """
    K = len(right)
    return [float((right[k] & ~right[k:].all(dim=0)).double().mean() * 100) for k in range(K)]


def branch_norms(weights: Mapping[str, Tensor], network: NetworkParams) -> list[list[float]]:
    """The l1-norm of each branch's third convolution (Figure 3b), by block over all stages.

    A network without branches side by side has none.
    """
    if not isinstance(network, SideBySide):
        return []
    keys = [key for key in weights if key.endswith(".conv3.weight")]
    in_order = sorted(keys, key=lambda key: [int(part) for part in key.split(".")[1:3]])
    # (W, C B, 1, 1): the branches side by side in its input.
    C = network.C
    blocks = [weights[key].double().abs().view(len(weights[key]), C, -1) for key in in_order]
    norms: list[list[float]] = [block.sum(dim=(0, 2)).tolist() for block in blocks]
    return norms


def ends(trained: Trained) -> dict[str, dict[str, float]]:
    """errors.json, for `dvc metrics`, which shows single numbers only; errors in percent."""
    by_part = {"validation": trained.validation_errors}
    if trained.test:
        by_part["test"] = trained.test.errors
    return {
        f"{part}_error": {"thinnest": errors[0][0], "full": errors[-1][0]}
        for part, errors in by_part.items()
    }


def packages() -> dict[str, str]:
    """The versions of what trains."""
    return {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES}


def _version(package: str) -> str:
    """On a bare machine the package may run from its folder, uninstalled."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    with write_atomically(path) as temporary:
        temporary.write_bytes(save({name: t.contiguous() for name, t in tensors.items()}))
