"""The folder of a finished training, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from anyslice.config.checked_yaml import ParameterError, check
from anyslice.config.families import FAMILIES
from anyslice.config.outside import FamilyError
from anyslice.costs.macs import untrained
from anyslice.errors import AnysliceError
from anyslice.files import read_json, sha256
from anyslice.jobs.deployment import Deployment
from anyslice.networks import AnytimeNetwork, Task
from anyslice.paths import METRICS, WEIGHTS, dataset_of


class RunFolderError(AnysliceError):
    """A folder is not that of a finished training, or its files do not belong together."""


@dataclass(frozen=True)
class TrainedRun:
    """A finished training, ready for use.

    Attributes:
        name: "<dataset>/<run> seed <n>".
        family: of the network, as tables and legends name it.
        network: with its trained weights, in eval mode, on the CPU.
        deployment: image format, label levels, costs, calibration.
        accuracy: in 0 ... 1, on validation images; accuracy[k - 1][d - 1] of sub-network k at level
            d.
        test_error: in percent, likewise.
        training: what a user may want to know of it: data set, seed, epoch, network and recipe.
    """

    name: str
    family: str
    network: AnytimeNetwork
    deployment: Deployment
    accuracy: list[list[float]]
    test_error: list[list[float]]
    training: dict[str, Any]


def load_run(folder: Path) -> TrainedRun:
    """Read the folder of a finished training.

    Raises:
        RunFolderError: if it is none, was written by an earlier version, or a file of it is
            missing, damaged or of another training.
    """
    path = folder / METRICS
    metrics = _read_metrics(folder)
    try:
        network_name = metrics["parameters"]["network"]["name"]
        deployment = check(Deployment, metrics["deployment"], path, ("deployment",))
        # Not the recipe: what trained a network in an earlier version does not bear on its use.
        plan = check(
            FAMILIES[network_name].params,
            metrics["parameters"]["network"],
            path,
            ("parameters", "network"),
        )
        counts = [len(level.names) for level in deployment.levels]
        images = deployment.images
        classes = counts[0] if len(counts) == 1 else tuple(counts)
        task = Task(classes, images.size, images.channels)
        trained = TrainedRun(
            name=f"{metrics['run']} seed {metrics['seed']}",
            family=FAMILIES[network_name].label,
            network=untrained(plan, task).eval(),
            deployment=deployment,
            accuracy=[[1 - e / 100 for e in of_k] for of_k in metrics["validation_error_by_level"]],
            test_error=metrics["test_error_by_level"],
            training={
                "dataset": dataset_of(metrics["run"]),
                "seed": metrics["seed"],
                "chosen_epoch": metrics["chosen_epoch"],
                **{key: metrics["parameters"][key] for key in ("network", "recipe")},
            },
        )
        sha = str(metrics["weights_sha256"])
        K = trained.network.K
        sized = (deployment.macs, deployment.cumulative_macs, trained.accuracy, trained.test_error)
        if any(len(of) != K for of in sized):
            raise AnysliceError(f"it does not describe {K} sub-networks")
    except FamilyError as error:
        raise RunFolderError(f"{path}: {error}") from error
    except (ParameterError, AttributeError, KeyError, TypeError, ValueError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else error
        raise RunFolderError(f"{path} is damaged: {reason}") from error
    _load_weights(trained.network, folder / WEIGHTS, sha)
    return trained


def _read_metrics(folder: Path) -> dict[str, Any]:
    path = folder / METRICS
    if not path.is_file():
        raise RunFolderError(
            f"{folder} is not the folder of a finished training: it has no {METRICS}"
        )
    try:
        metrics = read_json(path)
    except AnysliceError as error:
        raise RunFolderError(str(error)) from error
    if not isinstance(metrics, dict) or "test_error" not in metrics:
        raise RunFolderError(f"{path} is not the record of a training")
    if "deployment" not in metrics:
        raise RunFolderError(
            f"{path} does not say what its network's images and labels are: it was written by an "
            f"earlier version. Train {metrics.get('run')} again"
        )
    return metrics


def _load_weights(network: AnytimeNetwork, path: Path, expected: str) -> None:
    """Give the network the weights of a file.

    Raises:
        RunFolderError: if it is missing, or its SHA-256 is not as expected.
    """
    if not path.is_file():
        raise RunFolderError(f"{path} is missing")
    if sha256(path) != expected:
        raise RunFolderError(
            f"{path} is damaged or of another training: its SHA-256 is not that in {METRICS}"
        )
    try:
        network.load_state_dict(load_file(path))
    except (RuntimeError, SafetensorError) as error:
        raise RunFolderError(f"{path} does not hold the network's weights: {error}") from None
