"""Where files are: the layout of results/, data/ and work/, for the package and for the rules.

A run is named "<dataset>/<run>".
"""

from __future__ import annotations

import os
from pathlib import Path

METRICS = "metrics.json"
WEIGHTS = "model.safetensors"
PREDICTIONS = "predictions.safetensors"
HISTORY = "history.csv"
ERRORS = "errors.json"
TIMING = "timing.json"
LOG = "train.log"
MANIFEST = "manifest.json"
PROGRESS = "progress.json"


def dataset_of(run: str) -> str:
    """The data set of a run."""
    return run.partition("/")[0]


def results_folder(scale: str) -> Path:
    """Where the results of a scale are, by its name."""
    return Path("results") / scale


def run_folder(results: Path, run: str) -> Path:
    """Where the trainings of a run are, in a scale's results."""
    return results / "runs" / run


def training_folder(results: Path, run: str, seed: int | str) -> Path:
    """Where the files of a training are."""
    return run_folder(results, run) / f"seed{seed}"


def flops_file(results: Path, run: str) -> Path:
    """What a run costs."""
    return results / "flops" / f"{run}.json"


def taxonomy_file(results: Path, dataset: str) -> Path:
    """The label levels of a data set."""
    return results / "taxonomy" / f"{dataset}.json"


def data_folder(dataset: str) -> Path:
    """Where a prepared data set is."""
    return Path("data") / dataset


def seed_folder(work: Path, scale: str, run: str, seed: int) -> Path:
    """Where the resume areas of a training are, one below the other for each key."""
    return work / scale / run / f"seed{seed}"


def user_cache() -> Path:
    """The folder in which programs keep what they can make again: XDG_CACHE_HOME or ~/.cache.

    A relative path there is ignored, as the specification requires.
    """
    try:
        home = Path.home()
    except RuntimeError:  # a user without one, as in some containers: nothing can be kept
        home = Path(os.devnull)
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return named if named.is_absolute() else home / ".cache"
