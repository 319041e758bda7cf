"""How fast batches are augmented, against torchvision's transforms image by image."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import transforms

from anyslice.config.dataset import load_description
from anyslice.datasets import open_dataset
from anyslice.datasets.prepare import prepare
from anyslice.datasets.sources import fetch
from anyslice.datasets.tensors import TensorDataset


@dataclass(frozen=True)
class AugmentationSpeed:
    """Images per second, medians over epochs that took turns in one run.

    Attributes:
        batched: flips and crops of whole batches, in this process.
        per_image: torchvision's transforms in a DataLoader.
        workers: of that DataLoader.
        threads: of this process.
    """

    batched: float
    per_image: float
    workers: int
    threads: int

    @property
    def ratio(self) -> float:
        """How many times as fast batches are."""
        return self.batched / self.per_image


def compare_augmentation(
    dataset: TensorDataset, *, batch_size: int = 64, workers: int = 2, epochs: int = 5
) -> AugmentationSpeed:
    """Time epochs of the same training images, augmented both ways on the CPU.

    The DataLoader's workers live on between epochs, and the first epoch of each kind is not
    counted.
    """
    loader = DataLoader(
        PerImage(dataset),
        batch_size=batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )

    def batched(epoch: int) -> Iterable[object]:
        return dataset.train_batches(seed=1, epoch=epoch, batch_size=batch_size, device="cpu")

    ways: dict[str, Callable[[int], Iterable[object]]] = {
        "batched": batched,
        "per_image": lambda epoch: loader,
    }
    images = dataset.steps_per_epoch(batch_size) * batch_size
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for epoch in range(epochs + 1):
        for name, batches in ways.items():
            start = time.perf_counter()
            for _ in batches(epoch):
                pass
            if epoch:
                speeds[name].append(images / (time.perf_counter() - start))
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    return AugmentationSpeed(
        medians["batched"], medians["per_image"], workers, torch.get_num_threads()
    )


def compare_on_embedded_images(workers: int = 2) -> AugmentationSpeed:
    """`compare_augmentation` on the images that the repository holds, which need no download."""
    description = load_description("fashion-mnist-quick")
    with TemporaryDirectory() as folder:
        prepare(description, fetch(description), Path(folder))
        dataset = open_dataset(Path(folder))
        assert isinstance(dataset, TensorDataset)
        return compare_augmentation(dataset, workers=workers)


class PerImage(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """The training images as torchvision's own data sets give them: each through its transforms."""

    def __init__(self, dataset: TensorDataset) -> None:
        manifest = dataset.manifest
        images, labels = dataset.stored("train")
        self.images, self.labels = images.squeeze(-1).numpy(), labels.tolist()
        self.transform = transforms.Compose(
            [
                transforms.RandomHorizontalFlip(),
                transforms.RandomCrop(manifest.image_size, padding=manifest.crop_padding),
                transforms.ToTensor(),
                transforms.Normalize(manifest.mean, manifest.std),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """The augmented image (C, H, W) and its label."""
        return self.transform(Image.fromarray(self.images[index])), self.labels[index]
