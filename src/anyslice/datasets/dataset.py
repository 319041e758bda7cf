"""What training and evaluation see of a data set, however it is stored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from anyslice.datasets.manifest import Manifest

Part = Literal["train", "validation", "test"]
Padding = Literal["black", "mean"]


class Batch(NamedTuple):
    """Images with their labels.

    Attributes:
        images: (N, C, H, W) float32, normalised, in channels_last memory.
        labels: (N,) int64, the class of each image.
    """

    images: Tensor
    labels: Tensor


class Dataset(ABC):
    """A prepared data set.

    Attributes:
        folder: where it was prepared.
        manifest: what it is.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest

    @property
    def name(self) -> str:
        """Its name, that of its description."""
        return self.manifest.name

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in the order of the labels."""
        return self.manifest.classes

    @property
    def image_size(self) -> int:
        """Height and width in pixels of the images in a batch."""
        return self.manifest.image_size

    @property
    def image_channels(self) -> int:
        """1 grey or 3 colour channels."""
        return self.manifest.image_channels

    @property
    def counts(self) -> dict[Part, int]:
        """Images of each part."""
        counts = self.manifest.counts
        return {"train": counts.train, "validation": counts.validation, "test": counts.test}

    def steps_per_epoch(self, batch_size: int) -> int:
        """Whole batches in the training images.

        Raises:
            ValueError: if there is none.
        """
        images = self.counts["train"]
        if not 1 <= batch_size <= images:
            raise ValueError(f"batch size {batch_size} does not fit {images} training images")
        return images // batch_size

    @abstractmethod
    def train_batches(
        self,
        *,
        seed: int,
        epoch: int,
        batch_size: int,
        device: torch.device | str,
        padding: Padding = "black",
        start_step: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> Iterator[Batch]:
        """The augmented training images of an epoch in random order.

        Order and augmentation are a pure function of (seed, epoch).

        Args:
            seed: of the training.
            epoch: from 0.
            batch_size: over all ranks. The last images that fill no batch are left out; they are
                others in each epoch.
            device: where the batches are to be.
            padding: what a crop shows beyond the image: black before normalisation, or the mean,
                which is zero after it.
            start_step: the first batch to give; the later ones are as if all had been given.
            rank: which share of every batch to give.
            world: the number of shares.

        Raises:
            ValueError: if there is no whole batch or it cannot be shared evenly.
        """

    @abstractmethod
    def eval_batches(
        self, part: Part, *, batch_size: int, device: torch.device | str
    ) -> Iterator[Batch]:
        """All images of a part in their stored order, not augmented."""


def shares(
    steps: int, *, batch_size: int, start_step: int, rank: int, world: int
) -> Iterator[slice]:
    """The positions in the epoch of a rank's share of each batch from `start_step` on.

    Raises:
        ValueError: if a batch cannot be shared evenly.
    """
    if batch_size % world or not 0 <= rank < world:
        raise ValueError(f"a batch of {batch_size} has no share {rank} of {world} equal ones")
    size = batch_size // world
    for step in range(start_step, steps):
        start = step * batch_size + rank * size
        yield slice(start, start + size)
