"""What `anyslice train` does around the loop: inputs, determinism, progress, outputs."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from tqdm import tqdm

from anyslice.datasets import open_dataset
from anyslice.files import sha256
from anyslice.params import Scale
from anyslice.training.loop import Epoch, train
from anyslice.training.output import write_training


def run_training(
    scale: Scale, name: str, seed: int, output: Path, data: Path | None = None
) -> None:
    """Train a run of a scale with a seed and write its files.

    Args:
        scale: where the run and the number of threads come from.
        name: "<dataset>/<run>".
        seed: the training's seed.
        output: folder of the results.
        data: folder of the prepared data set; data/<dataset> by default.
    """
    run = scale.run(name)
    folder = data or Path("data") / name.partition("/")[0]
    dataset = open_dataset(folder)
    make_deterministic(scale.threads)
    device = torch.device("cuda" if scale.gpus and torch.cuda.is_available() else "cpu")
    trained = train(
        run, dataset, seed, device=device, report=Progress(f"{name} seed {seed}", run.recipe.epochs)
    )
    write_training(
        output,
        trained,
        run,
        name=name,
        scale=scale.name,
        seed=seed,
        data=sha256(folder / "manifest.json"),
    )


def make_deterministic(threads: int) -> None:
    """Same seed, same machine, same threads: the same bytes."""
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


class Progress:
    """Prints a line after each epoch: loss, errors of the ends, images/s, time left."""

    def __init__(self, title: str, epochs: int) -> None:
        self.title, self.epochs, self.start = title, epochs, time.monotonic()

    def __call__(self, epoch: Epoch) -> None:
        """Print the epoch's line."""
        elapsed = time.monotonic() - self.start
        left = elapsed / epoch.epoch * (self.epochs - epoch.epoch)
        errors = [by_level[0] for by_level in epoch.validation_errors]
        ends = (
            f"{errors[-1]:.1f} %" if len(errors) == 1 else f"{errors[0]:.1f} ... {errors[-1]:.1f} %"
        )
        print(
            f"{self.title}  epoch {epoch.epoch}/{self.epochs}  loss {sum(epoch.train_losses):.3f}  "
            f"validation error {ends}  {epoch.images_per_second:.0f} images/s  "
            f"{tqdm.format_interval(left)} left",
            flush=True,
        )
