"""How long the trainings of a scale take on this device, from a few steps of each."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import torch

from anyslice.config.dataset import load_description
from anyslice.config.scale import Scale
from anyslice.costs.machine import device_name
from anyslice.costs.macs import untrained
from anyslice.costs.steps import random_step
from anyslice.networks import Task
from anyslice.paths import dataset_of
from anyslice.training.options import Options, make_deterministic

WARM_UP = 2
"""Steps that do not count: the first allocates, compiles or captures."""


@dataclass(frozen=True)
class TrainingEstimate:
    """One training of a run, with one seed.

    Attributes:
        run: "<dataset>/<run>".
        device: the name of what was timed.
        images_per_second: of training steps on random images. Augmentation, decoding, validation
            and checkpoints are left out.
        hours: all epochs at that speed; with N GPUs each is taken to do its share as fast.
        gigabytes: the most memory, of the GPU if there is one.
    """

    run: str
    device: str
    images_per_second: float
    hours: float
    gigabytes: float


def estimate_each(scale: Scale, runs: Sequence[str], steps: int) -> list[TrainingEstimate]:
    """Time some steps of each run, in a process of its own, which its memory is measured by."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as processes:
        return list(processes.map(estimate_run, [scale] * len(runs), runs, [steps] * len(runs)))


def estimate_run(scale: Scale, name: str, steps: int) -> TrainingEstimate:
    """Time some steps of the run "<dataset>/<run>", of whose data no images are read.

    Raises:
        ParameterError: if the scale has no such run.
    """
    run = scale.run(name)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    options = Options()
    make_deterministic(scale.threads, options)
    description = load_description(dataset_of(name))
    sharing = max(1, scale.gpus_of(name))
    batch = run.recipe.batch_size // sharing
    side, channels = description.image_size, description.image_channels
    network = untrained(run.network, Task(len(description.classes), side, channels))
    step = random_step(network, run.recipe, batch, device, options)
    for _ in range(WARM_UP):
        step()
    _finish(device)
    start = time.perf_counter()
    for _ in range(steps):
        step()
    _finish(device)
    speed = steps * batch * sharing / (time.perf_counter() - start)
    trained = run.recipe.epochs * description.counts.train
    return TrainingEstimate(
        name, device_name(device), speed, trained / speed / 3600, _gigabytes(device)
    )


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _gigabytes(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def as_markdown(estimates: Sequence[TrainingEstimate], seeds: int) -> str:
    """A table with a row for each run, and the hours of all its seeds; then the total."""
    lines = [
        "| run | images/s | GB | hours | all seeds |",
        "|--|--:|--:|--:|--:|",
        *(
            f"| {e.run} | {e.images_per_second:.0f} | {e.gigabytes:.1f} | {e.hours:.2f} "
            f"| {e.hours * seeds:.1f} |"
            for e in estimates
        ),
    ]
    total = sum(e.hours for e in estimates)
    return "\n".join([*lines, f"| all | | | {total:.1f} | {total * seeds:.1f} |"])
