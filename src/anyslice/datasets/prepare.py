"""From verified source files to a prepared data set, all or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save
from torch import Tensor

from anyslice.datasets import tensors
from anyslice.datasets.augmentation import pad_black
from anyslice.datasets.description import Description
from anyslice.datasets.errors import DataError
from anyslice.datasets.idx import read_idx
from anyslice.datasets.manifest import NAME, Manifest, write_manifest
from anyslice.datasets.sources import find_sources, verify_sources
from anyslice.datasets.splits import draw_validation
from anyslice.files import sha256, write_atomically, write_json

MEASURED_WITHIN = 0.002
"""How far the measured mean and deviation may be from the described ones."""


class Images(NamedTuple):
    """Images, uint8 (N, H, W, C), and their labels, int64 (N,)."""

    images: Tensor
    labels: Tensor


def prepare(description: Description, output: Path, source: Path | None = None) -> Manifest:
    """Verify the source files and write tensors, split and, last of all, the manifest.

    Args:
        description: of the data set.
        output: the folder to write to; what an earlier preparation left there is replaced.
        source: the folder of the source files; without it the described places are searched.

    Raises:
        DataError: if a source file is missing, damaged or holds what the description excludes.
    """
    found = find_sources(description, source)
    sources = verify_sources(description, found)
    train, test = (resize(part, description) for part in read_parts(description, found))
    validation = draw_validation(
        len(train.labels), description.counts.validation, description.split_seed
    )
    _check(description, train, test, validation)
    output.mkdir(parents=True, exist_ok=True)
    (output / NAME).unlink(missing_ok=True)
    write_json(output / tensors.SPLIT, {"seed": description.split_seed, "validation": validation})
    for part, images in (("train", train), ("test", test)):
        with write_atomically(output / tensors.FILES[part]) as temporary:
            temporary.write_bytes(save({"images": images.images, "labels": images.labels}))
    names = [*tensors.FILES.values(), tensors.SPLIT]
    manifest = describe(description, sources, {name: sha256(output / name) for name in names})
    write_manifest(output, manifest)
    return manifest


def read_parts(description: Description, folder: Path) -> tuple[Images, Images]:
    """Training and test images from the source files."""
    train, test = (
        Images(
            torch.from_numpy(read_idx(folder / f"{part}-images-idx3-ubyte.gz").copy())[..., None],
            torch.from_numpy(read_idx(folder / f"{part}-labels-idx1-ubyte.gz").copy()).long(),
        )
        for part in ("train", "t10k")
    )
    return train, test


def resize(part: Images, description: Description) -> Images:
    """Pad with black, then average squares of pixels, as the description says."""
    images = pad_black(part.images, description.pad)
    if description.shrink > 1:
        pooled = torch.nn.functional.avg_pool2d(
            images.permute(0, 3, 1, 2).float(), description.shrink
        )
        images = pooled.round().to(torch.uint8).permute(0, 2, 3, 1)
    return Images(images.contiguous(), part.labels)


def describe(
    description: Description, sources: Mapping[str, str], files: Mapping[str, str]
) -> Manifest:
    """The manifest of a data set, from its description and the checksums of its files."""
    names = [tuple(level) for level in description.levels]
    labels = [
        tuple(
            next(i for i, members in enumerate(level.values()) if name in members)
            for name in description.classes
        )
        for level in description.levels
    ]
    return Manifest(
        name=description.name,
        title=description.title,
        storage=description.storage,
        augmentation=description.augmentation,
        crop_padding=description.crop_padding,
        image_size=description.image_size,
        image_channels=description.image_channels,
        mean=description.mean,
        std=description.std,
        counts=description.counts,
        classes=description.classes,
        levels=(description.classes, *names),
        level_labels=(tuple(range(len(description.classes))), *labels),
        sources=dict(sources),
        files=dict(files),
    )


def _check(description: Description, train: Images, test: Images, validation: list[int]) -> None:
    """Raise DataError where the images are not what the description says."""
    where = description.path
    counts = description.counts
    for part, images, expected in (
        ("training", train, counts.train + counts.validation),
        ("test", test, counts.test),
    ):
        shape = (expected, description.image_size, description.image_size)
        shape += (description.image_channels,)
        if images.images.shape != shape or len(images.labels) != expected:
            raise DataError(
                f"{where} promises {part} images of shape {shape}, the source has "
                f"{tuple(images.images.shape)} and {len(images.labels)} labels"
            )
        low, high = images.labels.min().item(), images.labels.max().item()
        if low < 0 or high >= len(description.classes):
            raise DataError(
                f"{where} lists {len(description.classes)} classes, but the {part} labels run "
                f"from {low} to {high}"
            )
    kept = torch.ones(len(train.labels), dtype=torch.bool)
    kept[validation] = False
    for key, measured in measure(train.images[kept]).items():
        described = getattr(description, key)
        if any(abs(a - b) > MEASURED_WITHIN for a, b in zip(measured, described, strict=True)):
            raise DataError(f"{where}: key {key!r} is {described}, measured is {measured}")


def measure(images: Tensor) -> dict[str, tuple[float, ...]]:
    """Mean and standard deviation of each channel of uint8 images (N, H, W, C), white being 1."""
    channels = images.flatten(0, 2)
    counts = torch.stack(
        [torch.bincount(channel, minlength=256) for channel in channels.unbind(1)]
    ).double()
    values = torch.arange(256, dtype=torch.float64) / 255
    mean = counts @ values / len(channels)
    variance = counts @ values**2 / len(channels) - mean**2
    return {
        "mean": tuple(round(m, 4) for m in mean.tolist()),
        "std": tuple(round(s, 4) for s in variance.sqrt().tolist()),
    }
