"""A sheet of augmented training images with their labels, to see what a network sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from anyslice.datasets.dataset import Dataset
from anyslice.datasets.streaming import FileDataset
from anyslice.datasets.tensors import TensorDataset
from anyslice.files import write_atomically

COLUMNS = 10
CLASSES = 10
"""A row of samples for each of so many classes."""


def draw_samples(
    dataset: TensorDataset | FileDataset, path: Path, *, seed: int, epoch: int
) -> None:
    """Draw a row of augmented training images for each of the first classes.

    Args:
        dataset: a prepared data set.
        path: a PNG or PDF file.
        seed: of the training whose images are shown.
        epoch: likewise.
    """
    manifest = dataset.manifest
    samples = collect(dataset, seed=seed, epoch=epoch)
    figure = Figure(figsize=(COLUMNS * 0.8 + 1.6, len(samples) * 0.8 + 0.9), layout="constrained")
    grid = figure.subplots(len(samples), COLUMNS, squeeze=False)
    for axes, (label, images) in zip(grid, samples.items(), strict=True):
        for ax in axes:
            ax.set_axis_off()
        for ax, image in zip(axes, images, strict=False):
            ax.imshow(to_pixels(image, manifest.mean, manifest.std), cmap="gray", vmin=0, vmax=1)
        axes[0].text(
            -0.15,
            0.5,
            dataset.class_names[label].replace("_", " "),
            transform=axes[0].transAxes,
            ha="right",
            va="center",
            fontsize=9,
        )
    figure.suptitle(
        f"{manifest.title}\ntraining images after augmentation, seed {seed}, epoch {epoch}",
        fontsize=10,
    )
    with write_atomically(path) as temporary:
        figure.savefig(temporary, format=path.suffix.removeprefix(".") or "png", dpi=150)


def collect(dataset: Dataset, *, seed: int, epoch: int) -> dict[int, list[Tensor]]:
    """The first COLUMNS training images (C, H, W) of an epoch of each of the first CLASSES."""
    classes = min(CLASSES, len(dataset.class_names))
    samples: dict[int, list[Tensor]] = {label: [] for label in range(classes)}
    batch_size = min(64, dataset.counts["train"])
    for batch in dataset.train_batches(seed=seed, epoch=epoch, batch_size=batch_size, device="cpu"):
        for image, label in zip(batch.images, batch.labels.tolist(), strict=True):
            if len(samples.get(label, [image] * COLUMNS)) < COLUMNS:
                samples[label].append(image)
        if all(len(images) == COLUMNS for images in samples.values()):
            break
    return samples


def to_pixels(
    image: Tensor, mean: tuple[float, ...], std: tuple[float, ...]
) -> npt.NDArray[np.float32]:
    """A normalised image (C, H, W) as (H, W, C), or (H, W) if grey, black 0 and white 1."""
    pixels = image.permute(1, 2, 0) * torch.tensor(std) + torch.tensor(mean)
    return pixels.clamp(0, 1).squeeze(-1).numpy()
