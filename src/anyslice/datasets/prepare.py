"""From source files to a prepared data set, all or nothing.

Both kinds of storage go the same way: verify the sources' checksums before any is opened, read or
unpack them, check against the description, write the files, and last of all the manifest that makes
them a data set.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from anyslice.config.dataset import Description
from anyslice.datasets import index, splits
from anyslice.datasets.augmentation import pad_black
from anyslice.datasets.errors import DataError
from anyslice.datasets.formats import cifar, class_folders, cub, idx, ilsvrc
from anyslice.datasets.labelled import ImageFile, Images
from anyslice.datasets.manifest import NAME, Manifest, write_manifest
from anyslice.datasets.sources import verify
from anyslice.datasets.tensors import FILES
from anyslice.files import sha256, write_atomically

IMAGES = "images"
"""Folder of the image files in a prepared data set."""

MEASURED_WITHIN = 0.005
"""How far mean and deviation of the training images may be from the described ones, which others
may have measured before validation images were held out."""

READERS: dict[str, Callable[[Description, Mapping[str, Path]], tuple[Images, Images]]] = {
    "idx": idx.read_parts,
    "cifar-10": cifar.read_parts,
    "cifar-100": cifar.read_parts,
}
"""For each format of small images, training and test images from the source files."""


def prepare(description: Description, files: Mapping[str, Path], output: Path) -> Manifest:
    """Verify the source files; write tensors or image files, the split and the manifest.

    Args:
        description: of the data set.
        files: the source files, as `sources.fetch` finds them.
        output: the folder to write to; what an earlier preparation left there is replaced.

    Raises:
        DataError: if a source file has a wrong checksum, is damaged or does not hold what the
            description says. Then no manifest is written, and where there was one it stays.
    """
    checksums = verify(description, files)
    prepare_storage = _prepare_tensors if description.storage == "tensor" else _prepare_files
    images, written = prepare_storage(description, files, output)
    manifest = describe(
        description,
        checksums,
        {name: sha256(output / name) for name in written},
        images,
    )
    write_manifest(output, manifest)
    return manifest


def _prepare_tensors(
    description: Description, paths: Mapping[str, Path], output: Path
) -> tuple[None, list[str]]:
    """Write the tensors and the split; give the names of the files."""
    train, test = (
        resize(part, description) for part in READERS[description.format](description, paths)
    )
    _check_counts(description, len(train.labels), len(test.labels))
    for part in (train, test):
        shape = (description.image_size, description.image_size, description.image_channels)
        if part.images.shape[1:] != shape:
            raise DataError(
                f"{description.path} promises images of shape {shape}, the source's are "
                f"{tuple(part.images.shape[1:])}"
            )
    validation = _draw(description)
    _check_statistics(description, train.images, validation)
    (output / NAME).unlink(missing_ok=True)
    for name, images in (("train", train), ("test", test)):
        with write_atomically(output / FILES[name]) as temporary:
            temporary.write_bytes(save({"images": images.images, "labels": images.labels}))
    splits.write_split(output, description.split_seed, validation)
    return None, [*FILES.values(), splits.NAME]


def _prepare_files(
    description: Description, paths: Mapping[str, Path], output: Path
) -> tuple[str, list[str]]:
    """Unpack the images and write index and split; give the images' folder and the files' names."""
    stage = output / ".part"
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(parents=True)
    try:
        if paths.keys() == set(ilsvrc.PARTS):
            root = paths["train"].resolve().parent
            files, images = ilsvrc.list_images(root, description.class_ids), str(root)
        else:
            root = stage / IMAGES
            files, images = _unpack(description, paths, root), IMAGES
        _check_counts(description, *_count(files))
        index.write_index(stage / index.NAME, root, files)
        (output / NAME).unlink(missing_ok=True)
        if images == IMAGES:
            shutil.rmtree(output / IMAGES, ignore_errors=True)
        for path in list(stage.iterdir()):
            path.replace(output / path.name)
        os.sync()  # thousands of image files; the manifest must not outlive them
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    splits.write_split(output, description.split_seed, _draw(description))
    return images, [index.NAME, splits.NAME]


def _unpack(description: Description, paths: Mapping[str, Path], root: Path) -> list[ImageFile]:
    """Unpack the source files below a folder, and list the images."""
    root.mkdir(parents=True)
    match description.format:
        case "ilsvrc-2012":
            ilsvrc.unpack_images(description, paths, root)
            return ilsvrc.list_images(root, description.class_ids)
        case "cub-200-2011":
            cub.unpack_images(paths, root)
            return cub.list_images(description, root)
        case _:
            return _write_class_folders(description, paths, root)


def _write_class_folders(
    description: Description, paths: Mapping[str, Path], root: Path
) -> list[ImageFile]:
    """Write small images as files, as many of each class."""
    counts = (description.counts.train + description.counts.validation, description.counts.test)
    parts = READERS[description.format](description, paths)
    for part, images, count in zip(("train", "test"), parts, counts, strict=True):
        per_class = count // len(description.class_ids)
        class_folders.write_class_folders(root, part, description.class_ids, images, per_class)
    return [
        file
        for part in ("train", "test")
        for file in class_folders.read_class_folders(root, part, description.class_ids, part)
    ]


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
    description: Description,
    sources: Mapping[str, str],
    files: Mapping[str, str],
    images: str | None = None,
) -> Manifest:
    """The manifest of a data set.

    Args:
        description: of the data set.
        sources: SHA-256 of the source files.
        files: SHA-256 of the prepared files.
        images: see Manifest.
    """
    label_of = [
        {name: label for label, names in enumerate(level.values()) for name in names}
        for level in description.levels
    ]
    return Manifest(
        name=description.name,
        title=description.title,
        storage=description.storage,
        crop_padding=description.crop_padding,
        crop_area=description.crop_area,
        image_size=description.image_size,
        image_channels=description.image_channels,
        mean=description.mean,
        std=description.std,
        pad=description.pad,
        shrink=description.shrink,
        counts=description.counts,
        classes=description.classes,
        levels=(description.classes, *(tuple(level) for level in description.levels)),
        level_labels=(
            tuple(range(len(description.classes))),
            *(tuple(labels[name] for name in description.classes) for labels in label_of),
        ),
        sources=dict(sources),
        files=dict(files),
        images=images,
    )


def _draw(description: Description) -> list[int]:
    counts = description.counts
    return splits.draw_validation(
        counts.train + counts.validation, counts.validation, description.split_seed
    )


def _count(files: Sequence[ImageFile]) -> tuple[int, int]:
    """Training images (those for validation included) and test images."""
    train = sum(file.part == "train" for file in files)
    return train, len(files) - train


def _check_counts(description: Description, train: int, test: int) -> None:
    counts = description.counts
    expected = (counts.train + counts.validation, counts.test)
    if (train, test) != expected:
        raise DataError(
            f"{description.path} promises {expected[0]} images for training and validation and "
            f"{expected[1]} for testing; the source has {train} and {test}"
        )


def _check_statistics(description: Description, images: Tensor, validation: list[int]) -> None:
    kept = torch.ones(len(images), dtype=torch.bool)
    kept[validation] = False
    for key, measured in measure(images[kept]).items():
        described = getattr(description, key)
        if any(abs(a - b) > MEASURED_WITHIN for a, b in zip(measured, described, strict=True)):
            raise DataError(
                f"{description.path}: key {key!r} is {list(described)}, but the training images "
                f"have {list(measured)}"
            )


def measure(images: Tensor) -> dict[str, tuple[float, ...]]:
    """Mean and standard deviation of each channel of uint8 images (N, H, W, C), white being 1."""
    pixels = images.flatten(0, 2)
    counts = torch.stack([c.bincount(minlength=256) for c in pixels.unbind(1)]).double()
    values = torch.arange(256, dtype=torch.float64) / 255
    mean = counts @ values / len(pixels)
    variance = counts @ values**2 / len(pixels) - mean**2
    return {
        "mean": tuple(round(m, 4) for m in mean.tolist()),
        "std": tuple(round(s, 4) for s in variance.sqrt().tolist()),
    }
