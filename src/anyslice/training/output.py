"""The files of a finished training: weights, metrics, history, predictions."""

from __future__ import annotations

import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import save_file

from anyslice.files import write_atomically, write_json
from anyslice.params import Run
from anyslice.training.loop import Epoch, Trained

PACKAGES = ("anyslice", "torch", "torchvision", "numpy")


def write_training(
    folder: Path, trained: Trained, run: Run, *, name: str, scale: str, seed: int, data: str
) -> None:
    """Write model.safetensors, predictions.safetensors, history.csv and, last, metrics.json.

    Args:
        folder: made if it does not exist.
        trained: the outcome.
        run: the parameters in force.
        name: "<dataset>/<run>".
        scale: the scale's name.
        seed: the training's seed.
        data: the SHA-256 of the data set's manifest.
    """
    with write_atomically(folder / "model.safetensors") as path:
        save_file({k: v.contiguous() for k, v in trained.network.state_dict().items()}, path)
    with write_atomically(folder / "predictions.safetensors") as path:
        save_file(
            {
                "predictions": trained.test_predictions.to(torch.int16),
                "labels": trained.test_labels.to(torch.int16),
            },
            path,
        )
    with write_atomically(folder / "history.csv") as path:
        pd.DataFrame([row(epoch) for epoch in trained.history]).to_csv(path, index=False)
    write_json(
        folder / "metrics.json",
        metrics(trained, run, name=name, scale=scale, seed=seed, data=data),
    )


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


def metrics(
    trained: Trained, run: Run, *, name: str, scale: str, seed: int, data: str
) -> dict[str, Any]:
    """metrics.json: errors in percent, sub-networks from thinnest or shallowest to full."""
    return {
        "run": name,
        "scale": scale,
        "seed": seed,
        "chosen_epoch": trained.chosen_epoch,
        "test_error": [by_level[0] for by_level in trained.test_errors],
        "validation_error": [by_level[0] for by_level in trained.validation_errors],
        "test_error_by_level": trained.test_errors,
        "validation_error_by_level": trained.validation_errors,
        "parameters": asdict(run),
        "data_manifest_sha256": data,
        "packages": {"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
        "wall_seconds": round(trained.seconds, 1),
    }
