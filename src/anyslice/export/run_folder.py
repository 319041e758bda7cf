"""The folder of a finished training, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from anyslice.config.checked_yaml import check
from anyslice.config.families import FAMILIES, FamilyError, refuse_unless_trusted
from anyslice.costs.macs import untrained
from anyslice.errors import AnysliceError
from anyslice.files import read_json, sha256
from anyslice.jobs.deployment import Deployment
from anyslice.networks import AnytimeNetwork, Task
from anyslice.paths import METRICS, WEIGHTS, dataset_of
from anyslice.runtime.errors import ModelFolderError
from anyslice.runtime.folder import check_model, graph_names


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
        test_error: in percent, in the same order.
        training: what a user may want to know of it: data set, seed, epoch, network and recipe.
    """

    name: str
    family: str
    network: AnytimeNetwork
    deployment: Deployment
    accuracy: list[list[float]]
    test_error: list[list[float]]
    training: dict[str, Any]


def load_run(folder: Path, *, trust: bool = False) -> TrainedRun:
    """Read the folder of a finished training.

    Args:
        trust: that a network of a family outside the package may import that family's module.

    Raises:
        RunFolderError: if it is none, was written by an earlier version, or a file of it is
            missing, damaged, of another training or says what cannot be.
    """
    path = folder / METRICS
    if not path.is_file():
        raise RunFolderError(
            f"{folder} is not the folder of a finished training: it has no {METRICS}; give "
            "one such as results/<scale>/runs/<dataset>/<run>/seed<n>"
        )
    try:
        metrics = read_json(path)
        run, sha = _described(metrics, path, trust), metrics["weights_sha256"]
    except KeyError as error:
        raise RunFolderError(
            f"{path} has no {error}: it is damaged, or of an earlier version; train the run again"
        ) from error
    except (FamilyError, ModelFolderError) as error:
        raise RunFolderError(str(error)) from error
    except (  # RuntimeError: PyTorch needs more memory than there is
        AnysliceError,
        AttributeError,
        TypeError,
        ValueError,
        OverflowError,
        RuntimeError,
    ) as error:
        raise RunFolderError(f"{path} is damaged: {error}") from error
    _load_weights(run.network, folder / WEIGHTS, sha)
    return run


def _described(metrics: dict[str, Any], path: Path, trust: bool) -> TrainedRun:
    """What metrics.json says of a run, and its network without weights."""
    deployment = check(Deployment, metrics["deployment"], path, ("deployment",))
    parameters = metrics["parameters"]
    # Not the recipe: what trained a network in an earlier version does not bear on its use.
    refuse_unless_trusted(parameters["network"]["name"], path, trust)
    family = FAMILIES[parameters["network"]["name"]]
    plan = check(family.params, parameters["network"], path, ("parameters", "network"))
    accuracy = [[1 - e / 100 for e in of_k] for of_k in metrics["validation_error_by_level"]]
    _refuse_what_cannot_be(metrics, accuracy, path)
    fine, *coarse = (len(level.names) for level in deployment.levels)
    classes = (fine, *coarse) if coarse else fine
    network = untrained(plan, Task(classes, deployment.images.size, deployment.images.channels))
    run = TrainedRun(
        name=f"{metrics['run']} seed {metrics['seed']}",
        family=family.label,
        network=network.eval(),
        deployment=deployment,
        accuracy=accuracy,
        test_error=metrics["test_error_by_level"],
        training={
            "dataset": dataset_of(metrics["run"]),
            "seed": metrics["seed"],
            "chosen_epoch": metrics["chosen_epoch"],
            "network": parameters["network"],
            "recipe": parameters["recipe"],
        },
    )
    if network.K != len(deployment.macs):
        raise AnysliceError(f"it does not describe {network.K} sub-networks")
    return run


def _refuse_what_cannot_be(metrics: dict[str, Any], accuracy: Any, path: Path) -> None:
    """Check all numbers as prediction does, before a network is built by them.

    Raises:
        ModelFolderError: if one is out of its range.
    """
    deployment = metrics["deployment"]
    document = deployment | {
        "interruptible": False,
        "accuracy": accuracy,
        "test_error": metrics["test_error_by_level"],
        "graphs": dict.fromkeys(graph_names(len(deployment["macs"]), False), "in no file yet"),
    }
    check_model(document, path)
    for level in deployment["levels"]:
        if not all(0 <= label < len(level["names"]) for label in level["labels"]):
            raise ValueError("a label's number is not that of one of its level's names")


def _load_weights(network: AnytimeNetwork, path: Path, expected: str) -> None:
    """Give the network the weights of a file."""
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
