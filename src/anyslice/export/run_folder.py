"""The folder of a finished training, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from anyslice.config.checked_yaml import ParameterError, check
from anyslice.config.families import FAMILIES, NetworkParams
from anyslice.config.outside import FamilyError
from anyslice.costs.macs import untrained
from anyslice.errors import AnysliceError
from anyslice.files import read_json, sha256
from anyslice.jobs.deployment import Deployment
from anyslice.networks import AnytimeNetwork
from anyslice.paths import METRICS, WEIGHTS, dataset_of
from anyslice.taxonomy.labels import spoken_names


class RunFolderError(AnysliceError):
    """A folder is not that of a finished training, or its files do not belong together."""


@dataclass(frozen=True)
class TrainedRun:
    """A finished training, ready for use.

    Attributes:
        name: "<dataset>/<run> seed <n>".
        network_name: of the network's family in scales; imports it where it is outside the package.
        network: with its trained weights, in eval mode, on the CPU.
        deployment: image format, label levels, costs, calibration.
        accuracy: in 0 ... 1, on validation images; accuracy[k - 1][d - 1] of sub-network k at level
            d.
        test_error: in percent, likewise.
        training: what a user may want to know of it: data set, seed, epoch, network and recipe.
        weights: the file that they are in.
    """

    name: str
    network_name: str
    network: AnytimeNetwork
    deployment: Deployment
    accuracy: tuple[tuple[float, ...], ...]
    test_error: tuple[tuple[float, ...], ...]
    training: dict[str, Any]
    weights: Path

    @property
    def family(self) -> str:
        """The network family's name in tables and legends."""
        return FAMILIES[self.network_name].label

    @property
    def labels(self) -> tuple[tuple[str, ...], ...]:
        """Of each level, the labels as people say them."""
        return tuple(spoken_names(level.names) for level in self.deployment.levels)


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
        trained = TrainedRun(
            name=f"{metrics['run']} seed {metrics['seed']}",
            network_name=network_name,
            network=_build(plan, deployment),
            deployment=deployment,
            accuracy=tuple(
                tuple(1 - error / 100 for error in by_level)
                for by_level in metrics["validation_error_by_level"]
            ),
            test_error=tuple(map(tuple, metrics["test_error_by_level"])),
            training={
                "dataset": dataset_of(metrics["run"]),
                "seed": metrics["seed"],
                "chosen_epoch": metrics["chosen_epoch"],
                **{key: metrics["parameters"][key] for key in ("network", "recipe")},
            },
            weights=folder / WEIGHTS,
        )
        _check_sizes(trained)
    except FamilyError as error:
        raise RunFolderError(f"{path}: {error}") from error
    except (ParameterError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunFolderError(f"{path} is damaged: {_reason(error)}") from error
    _load_weights(trained, metrics["weights_sha256"])
    return trained


def _read_metrics(folder: Path) -> dict[str, Any]:
    path = folder / METRICS
    if not folder.is_dir():
        raise RunFolderError(f"there is no folder {folder}; give that of a finished training")
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


def _build(plan: NetworkParams, deployment: Deployment) -> AnytimeNetwork:
    counts = tuple(len(level.names) for level in deployment.levels)
    classes = counts[0] if len(counts) == 1 else counts
    return untrained(plan, classes, deployment.images.size, deployment.images.channels).eval()


def _check_sizes(trained: TrainedRun) -> None:
    K, D = trained.network.K, trained.network.D
    deployment = trained.deployment
    by_subnetwork = (deployment.macs, deployment.cumulative_macs)
    by_level = (deployment.calibration, trained.accuracy, trained.test_error)
    if any(len(of) != K for of in by_subnetwork + by_level) or any(
        len(of_k) != D for of in by_level for of_k in of
    ):
        raise AnysliceError(f"it does not describe {K} sub-networks of {D} label levels each")


def _reason(error: Exception) -> str:
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)


def _load_weights(trained: TrainedRun, expected_sha256: str) -> None:
    """Give the network its weights.

    Raises:
        RunFolderError: if they are missing, damaged or of another network.
    """
    path = trained.weights
    if not path.is_file():
        raise RunFolderError(f"{path} is missing")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise RunFolderError(f"{path} is damaged: {error}") from error
    expected = trained.network.state_dict()
    differing = sorted(
        key
        for key in expected.keys() | tensors.keys()
        if key not in expected
        or key not in tensors
        or expected[key].shape != tensors[key].shape
        or expected[key].dtype != tensors[key].dtype
    )
    if differing:
        raise RunFolderError(
            f"{path} does not hold the weights of {trained.name}: {len(differing)} of "
            f"{len(expected)} tensors are missing, unknown or of another shape ({differing[0]})"
        )
    if sha256(path) != expected_sha256:
        raise RunFolderError(
            f"{path} is not the file that the training of {trained.name} wrote: its SHA-256 is not "
            f"that in {METRICS}"
        )
    trained.network.load_state_dict(tensors)
