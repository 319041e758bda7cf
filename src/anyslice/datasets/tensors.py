"""Small images, kept whole on the training device as uint8 and augmented there in batches."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from anyslice.datasets.augmentation import (
    Normalisation,
    Windows,
    draw_epoch,
    inside,
)
from anyslice.datasets.dataset import (
    PLAIN,
    Augmentation,
    Batch,
    Dataset,
    check_part,
    shares,
)
from anyslice.datasets.manifest import Manifest, read_split

FILES = {"train": "train.safetensors", "test": "test.safetensors"}
"""Files of tensors `images`, uint8 (N, H, W, C), and `labels`, int64 (N,)."""


class TensorDataset(Dataset):
    """A data set whose images fit into the device's memory."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        super().__init__(folder, manifest)
        self._parts = lru_cache(maxsize=None)(self._load)
        self._windows = lru_cache(maxsize=None)(self._make_windows)

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
        """See Dataset."""
        device = torch.device(device)
        crop = self.manifest.crop_padding
        windows, labels = self._windows(device), self._parts(device)["train"][1]
        normalise = self._normalisation(device)
        draws = draw_epoch(
            len(labels), seed=seed, epoch=epoch, padding=crop, flip=augmentation.flip
        ).to(device)
        starts, labels = windows.starts(draws), labels[draws.index]
        for part in shares(
            self.steps_per_epoch(batch_size),
            batch_size=batch_size,
            start_step=start_step,
            rank=rank,
            world=world,
        ):
            images = normalise(windows.crops(starts[part]))
            if augmentation.padding == "mean":
                images *= inside(draws[part], self.image_size, crop)
            yield Batch(images, labels[part])

    def eval_batches(
        self,
        part: str,
        *,
        batch_size: int,
        device: torch.device | str,
        rank: int = 0,
        world: int = 1,
    ) -> Iterator[Batch]:
        """See Dataset."""
        check_part(part)
        device = torch.device(device)
        images, labels = self._parts(device)[part]
        normalise = self._normalisation(device)
        for start in range(rank * batch_size, len(labels), world * batch_size):
            some = slice(start, start + batch_size)
            yield Batch(normalise(images[some]), labels[some])

    def stored(self, part: str) -> tuple[Tensor, Tensor]:
        """Images, uint8 (N, H, W, C), and labels of a part as they are stored."""
        check_part(part)
        return self._parts(torch.device("cpu"))[part]

    def _load(self, device: torch.device) -> dict[str, tuple[Tensor, Tensor]]:
        """Images, uint8 (N, H, W, C), and labels of each part on a device."""
        train = load_file(self.folder / FILES["train"])
        test = load_file(self.folder / FILES["test"])
        held_out = torch.zeros(len(train["labels"]), dtype=torch.bool)
        held_out[read_split(self.folder)] = True
        parts: dict[str, tuple[Tensor, Tensor]] = {
            "train": (train["images"][~held_out], train["labels"][~held_out]),
            "validation": (train["images"][held_out], train["labels"][held_out]),
            "test": (test["images"], test["labels"]),
        }
        return {part: (i.to(device), y.to(device)) for part, (i, y) in parts.items()}

    def _make_windows(self, device: torch.device) -> Windows:
        return Windows.of(self._parts(device)["train"][0], self.manifest.crop_padding)

    def _normalisation(self, device: torch.device) -> Normalisation:
        return Normalisation.of(
            self.manifest.mean, self.manifest.std, width=self.image_size, device=device
        )
