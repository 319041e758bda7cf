"""From source files to a prepared data set, all or nothing: read, order, split, write.

Checksums of source files are verified before any is opened. The images are compared with the
description before anything is written, and the manifest that makes them a data set is written last.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import save

from anyslice.config.dataset import TRAIN_AND_TEST, Content, Description
from anyslice.datasets.augmentation import pad_black
from anyslice.datasets.formats import Images, cifar, class_folders, cub, idx
from anyslice.datasets.manifest import (
    IMAGES,
    INDEX,
    LOCATION,
    NAME,
    SPLIT,
    DataError,
    ImageFile,
    Manifest,
    write_index,
    write_manifest,
    write_split,
)
from anyslice.datasets.scan import Statistics, count_values, scan, statistics
from anyslice.datasets.sources import CLASS_FOLDERS, verify
from anyslice.datasets.tensors import FILES
from anyslice.files import sha256, write_atomically, write_json

READERS: dict[str, Callable[[Description, Mapping[str, Path]], tuple[Images, Images]]] = {
    "idx": idx.read_parts,
    "cifar-10": cifar.read_parts,
    "cifar-100": cifar.read_parts,
}
"""For each format of small images, training and test images from the source files."""

MEASURED_WITHIN = {"tensor": 0.005, "files": 0.1}
"""How far mean and deviation of the training images may be from the described ones. Others may have
measured before validation images were held out; large images are often given ImageNet's."""


class Measured(NamedTuple):
    """What images tell of a data set, compared with a description or written into one.

    Attributes:
        statistics: of the training images, those for validation left out.
        content: checksums of the images.
    """

    statistics: Statistics
    content: Content


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
    verify(description, files)
    prepare_storage = _prepare_tensors if description.storage == "tensor" else _prepare_files
    written = prepare_storage(description, files, output)
    manifest = describe(description, {name: sha256(output / name) for name in written})
    write_manifest(output, manifest)
    return manifest


def _prepare_tensors(
    description: Description, paths: Mapping[str, Path], output: Path
) -> list[str]:
    """Write the tensors and the split; give the names of the files."""
    parts, validation, measured = assemble_tensors(description, paths)
    _check(description, measured)
    (output / NAME).unlink(missing_ok=True)
    for name, part in parts.items():
        with write_atomically(output / FILES[name]) as temporary:
            temporary.write_bytes(save(part._asdict()))
    write_split(output, description.split_seed, validation)
    return [*FILES.values(), SPLIT]


def _prepare_files(description: Description, paths: Mapping[str, Path], output: Path) -> list[str]:
    """Unpack the images and write index and split; give the names of the files."""
    stage = output / ".part"
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(parents=True)
    try:
        root = paths.get(CLASS_FOLDERS, stage / IMAGES)
        if root.is_relative_to(stage):
            listed = _unpack(description, paths, root)
        else:
            listed = class_folders.list_images(description, root)
            write_json(stage / LOCATION, {"images": str(root)})
        files, validation, measured = assemble_files(description, root, listed)
        _check(description, measured)
        write_index(stage / INDEX, files)
        for name in (NAME, LOCATION):
            (output / name).unlink(missing_ok=True)
        if root.is_relative_to(stage):
            shutil.rmtree(output / IMAGES, ignore_errors=True)
        for path in list(stage.iterdir()):
            path.replace(output / path.name)
        os.sync()  # thousands of image files; the manifest must not outlive them
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    write_split(output, description.split_seed, validation)
    return [INDEX, SPLIT]


def _unpack(description: Description, paths: Mapping[str, Path], root: Path) -> list[ImageFile]:
    """Unpack the source files below a folder, and list the images."""
    root.mkdir(parents=True)
    match description.format:
        case "ilsvrc-2012":
            from torchvision.datasets import imagenet  # slow to import

            devkit, train, val = (str(path.absolute()) for _, path in sorted(paths.items()))
            imagenet.parse_devkit_archive(root, devkit)
            imagenet.parse_train_archive(root, train)
            imagenet.parse_val_archive(root, val)
            (root / imagenet.META_FILE).unlink()
        case "cub-200-2011":
            cub.unpack_images(paths, root)
            return cub.list_images(description, root)
        case _:
            _write_images(description, paths, root)
            return class_folders.list_images(description, root, TRAIN_AND_TEST)
    return class_folders.list_images(description, root)


def _write_images(description: Description, paths: Mapping[str, Path], root: Path) -> None:
    """Write small images as files, as many of each class."""
    names, counts = description.class_ids, description.counts
    parts = READERS[description.format](description, paths)
    for folder, part, count in zip(
        ("train", "test"), parts, (counts.train + counts.validation, counts.test), strict=True
    ):
        class_folders.write_images(root / folder, names, part, count // len(names))


def assemble_tensors(
    description: Description, paths: Mapping[str, Path]
) -> tuple[dict[str, Images], list[int], Measured]:
    """Read small images into memory.

    Returns:
        "train", with those for validation, and "test"; the positions of those for validation
        among the training images; what was measured.

    Raises:
        DataError: if something cannot be read or is not as described.
    """
    (images, labels), names = _read(description, paths)
    classes = len(description.classes)
    planes = images.permute(0, 3, 1, 2).contiguous().numpy()
    digests = [
        digest(label, classes, image.tobytes())
        for label, image in zip(labels.tolist(), planes, strict=True)
    ]
    order = list(range(len(digests)))
    if description.format != "idx":  # which has one source, and a published order
        order.sort(key=digests.__getitem__)
    train, test, validation = split(description, [names[position] for position in order])
    positions = {"train": [order[i] for i in train], "test": [order[i] for i in test]}
    parts = {
        name: Images(_resize(images[some], description), labels[some])
        for name, some in positions.items()
    }
    shape = (description.image_size, description.image_size, description.image_channels)
    if (found := tuple(parts["train"].images.shape[1:])) != shape:
        raise DataError(
            f"{description.path} promises images of shape {shape}, the source's are {found}"
        )
    kept = np.delete(parts["train"].images.numpy(), validation, axis=0)
    values = count_values(kept.reshape(-1, kept.shape[-1]))
    return parts, validation, Measured(statistics([values]), _content(digests, positions))


def _read(description: Description, paths: Mapping[str, Path]) -> tuple[Images, list[str]]:
    """Images in the order of the source, and the part of each."""
    if root := paths.get(CLASS_FOLDERS):
        files = class_folders.list_images(description, root)
        images = class_folders.read_images(root, files, description.image_channels)
        return images, [file.part for file in files]
    train, test = READERS[description.format](description, paths)
    images = Images(*(torch.cat(both) for both in zip(train, test, strict=True)))
    highest = int(images.labels.max())
    if highest >= len(description.classes):
        raise DataError(
            f"{description.path} names {len(description.classes)} classes, but the source has the "
            f"label {highest}, counted from 0"
        )
    return images, ["train"] * len(train.labels) + ["test"] * len(test.labels)


def assemble_files(
    description: Description, root: Path, listed: Sequence[ImageFile]
) -> tuple[list[ImageFile], list[int], Measured]:
    """Decode each image file listed below the folder `root` once.

    Returns:
        The files of "train", with those for validation, and of "test", in the same order; the
        positions of those for validation among the training images; what was measured.

    Raises:
        DataError: if an image cannot be read, or they are not as many as described.
    """
    train, test, validation = split(description, [file.part for file in listed])
    files, values = scan(root, listed, description.image_size, description.image_channels)
    classes = len(description.classes)
    digests = [digest(file.label, classes, bytes.fromhex(file.sha256)) for file in files]
    content = _content(digests, {"train": train, "test": test})
    kept = np.delete(train, validation)
    parts = dict.fromkeys(train, "train") | dict.fromkeys(test, "test")
    files = [file._replace(part=parts[position]) for position, file in enumerate(files)]
    return files, validation, Measured(statistics(values[i] for i in kept), content)


def digest(label: int, classes: int, content: bytes) -> bytes:
    """The SHA-256 of an image with its label.

    Args:
        label: its class, written as one byte, or as two from 257 classes on, the higher first.
        classes: how many there are.
        content: the pixels plane by plane, each row by row, as in the files of CIFAR; of a file,
            its SHA-256.
    """
    return hashlib.sha256(label.to_bytes(1 if classes <= 256 else 2, "big") + content).digest()


def _content(digests: Sequence[bytes], positions: Mapping[str, Iterable[int]]) -> Content:
    """Of the images of each part, in any order: the SHA-256 of their sorted digests."""
    sums = {
        part: hashlib.sha256(b"".join(sorted(digests[i] for i in some))).hexdigest()
        for part, some in positions.items()
    }
    return Content(**{part: f"sha256:{checksum}" for part, checksum in sums.items()})


def split(description: Description, parts: Sequence[str]) -> tuple[list[int], list[int], list[int]]:
    """Sample what the source does not hold out itself.

    Args:
        description: of the data set.
        parts: the part of every image as the source says, in the data set's order.

    Returns:
        The positions of the training images, those for validation included, and of the test
        images among all; those of the validation images among the training images.

    Raises:
        DataError: if the images are not as many as the description says.
    """
    folders = description.class_folders or TRAIN_AND_TEST
    counts, seed = description.counts, description.split_seed
    expected = {part: getattr(counts, part) for part in ("train", "validation", "test")}
    for part in ("validation", "test"):
        if not getattr(folders, part):
            expected["train"] += expected.pop(part)
    found = {part: parts.count(part) for part in expected}
    if found != expected:
        raise DataError(
            f"{description.path} promises {_say(expected)}; the source has {_say(found)}"
        )
    train = [position for position, part in enumerate(parts) if part != "test"]
    test = [position for position, part in enumerate(parts) if part == "test"]
    if not folders.test:
        test = [train[index] for index in hold_out(len(train), counts.test, seed, "test")]
        train = sorted(set(train) - set(test))
    if not folders.validation:
        return train, test, hold_out(len(train), counts.validation, seed, "validation")
    return train, test, [i for i, position in enumerate(train) if parts[position] == "validation"]


def _say(images: Mapping[str, int]) -> str:
    return " and ".join(f"{count} images for {part}" for part, count in images.items())


def hold_out(images: int, held_out: int, seed: int, part: str) -> list[int]:
    """Indices of so many of the images, in increasing order, another sample for each part.

    The images are ranked by a hash of (part, seed, index): no library's version changes the sample.
    """
    ranks = [hashlib.sha256(f"{part} {seed} {i}".encode()).digest() for i in range(images)]
    return sorted(sorted(range(images), key=ranks.__getitem__)[:held_out])


def _resize(images: torch.Tensor, description: Description) -> torch.Tensor:
    """Pad with black, then average squares of pixels, as the description says."""
    images = pad_black(images, description.pad)
    if description.shrink > 1:
        planes = images.permute(0, 3, 1, 2).float()
        pooled = torch.nn.functional.avg_pool2d(planes, description.shrink)
        images = pooled.round().to(torch.uint8).permute(0, 2, 3, 1)
    return images.contiguous()


def describe(description: Description, files: Mapping[str, str]) -> Manifest:
    """The manifest of a data set, from the SHA-256 of the prepared files."""
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
        files=dict(files),
    )


def refuse_other_description(description: Description, manifest: Manifest) -> None:
    """Raise DataError unless what is prepared was prepared by this description."""
    if manifest != describe(description, manifest.files):
        raise DataError(
            f"data set {description.name!r} is prepared by another description than "
            f"{description.path} is now; run `anyslice data prepare {description.name}`"
        )


def _check(description: Description, measured: Measured) -> None:
    """Compare what the images measure with the description."""
    for part in ("train", "test") if description.content else ():
        right, found = (getattr(c, part) for c in (description.content, measured.content))
        if found != right:
            raise DataError(
                f"{description.path}: the {part} images are not those described: the checksum of "
                f"their content is {found}, right would be {right}"
            )
    within = MEASURED_WITHIN[description.storage]
    for key, values in measured.statistics.items():
        described = getattr(description, key)
        if any(abs(a - b) > within for a, b in zip(values, described, strict=True)):
            raise DataError(
                f"{description.path}: key {key!r} is {list(described)}, but the training images "
                f"have {list(values)}"
            )
