"""What training and evaluation see of a data set, however it is stored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from anyslice.datasets.manifest import Manifest
from anyslice.errors import AnysliceError

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Augmentation:
    """How training images are varied, as a recipe says.

    Attributes:
        flip: mirror half of the images.
        padding: of small images, what a crop shows beyond the image: black before normalisation,
            or the mean, which is zero after it.
        large_images: how files are cropped, see `streaming`.
    """

    flip: bool = True
    padding: Literal["black", "mean"] = "black"
    large_images: Literal["resize-range", "random-resized-crop"] = "resize-range"


PLAIN = Augmentation()
"""That of the paper."""


class Batch(NamedTuple):
    """Images with their labels.

    Attributes:
        images: (N, C, H, W) float32, normalised, in channels_last memory.
        labels: (N,) int64, the class of each image.
    """

    images: Tensor
    labels: Tensor


class Dataset(ABC):
    """Images in three parts, as training and evaluation see them.

    Attributes:
        folder: where it was prepared.
        manifest: what it is.
        class_names: in the order of the labels.
        image_size: height and width in pixels of the images in a batch.
        image_channels: 1 grey or 3 colour channels.
        counts: images of each part: "train", "validation", "test".
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self.name = manifest.name
        self.class_names = manifest.classes
        self.image_size = manifest.image_size
        self.image_channels = manifest.image_channels
        self.counts: dict[str, int] = asdict(manifest.counts)

    def steps_per_epoch(self, batch_size: int) -> int:
        """Whole batches in the training images.

        Raises:
            AnysliceError: if there is none.
        """
        images = self.counts["train"]
        if not 1 <= batch_size <= images:
            raise AnysliceError(f"batch size {batch_size} does not fit {images} training images")
        return images // batch_size

    @abstractmethod
    def train_batches(
        self,
        *,
        seed: int,
        epoch: int,
        batch_size: int,
        device: torch.device | str,
        augmentation: Augmentation = PLAIN,
        start_step: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> Iterator[Batch]:
        """The augmented training images of an epoch in random order.

        Order and augmentation are a pure function of (seed, epoch).

        Args:
            seed: of the training.
            epoch: counted from 1.
            batch_size: over all ranks. The last images that fill no batch are left out; they are
                others in each epoch.
            device: where the batches are to be.
            augmentation: how images are varied.
            start_step: the first batch to give; the later ones are as if all had been given.
            rank: which share of every batch to give.
            world: the number of shares.

        Raises:
            AnysliceError: if there is no whole batch or it cannot be shared evenly.
        """

    @abstractmethod
    def eval_batches(
        self,
        part: str,
        *,
        batch_size: int,
        device: torch.device | str,
        rank: int = 0,
        world: int = 1,
    ) -> Iterator[Batch]:
        """All images of a part in their stored order, not augmented.

        Args:
            part: "train", "validation" or "test".
            batch_size: images in a batch; the last may have fewer.
            device: where the batches are to be.
            rank: the first batch to give.
            world: every how many batches one is given.
        """


def check_part(part: str) -> None:
    """Raise ValueError unless it is one of PARTS."""
    if part not in PARTS:
        raise ValueError(f"there is no part {part!r}; choose from {', '.join(PARTS)}")


def shares(
    steps: int, *, batch_size: int, start_step: int, rank: int, world: int
) -> Iterator[slice]:
    """The positions in the epoch of a rank's share of each batch from `start_step` on.

    Raises:
        AnysliceError: if a batch cannot be shared evenly.
    """
    if batch_size % world or not 0 <= rank < world:
        raise AnysliceError(f"a batch of {batch_size} has no share {rank} of {world} equal ones")
    size = batch_size // world
    for step in range(start_step, steps):
        start = step * batch_size + rank * size
        yield slice(start, start + size)
