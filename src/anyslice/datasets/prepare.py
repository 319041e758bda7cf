"""From source files to a prepared data set, all or nothing.

Both kinds of storage go the same way: verify the sources' checksums before any is opened, read or
unpack them, check against the description, write the files, and last of all the manifest that makes
them a data set.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save

from anyslice.config.dataset import TRAIN_AND_TEST, Description
from anyslice.datasets import index, splits
from anyslice.datasets.assemble import (
    Measured,
    assemble_files,
    assemble_tensors,
    list_folders,
    read,
)
from anyslice.datasets.errors import DataError
from anyslice.datasets.formats import class_folders, cub, ilsvrc
from anyslice.datasets.labelled import ImageFile
from anyslice.datasets.manifest import IMAGES, LOCATION, NAME, Manifest, write_manifest
from anyslice.datasets.sources import CLASS_FOLDERS, verify
from anyslice.datasets.tensors import FILES
from anyslice.files import sha256, write_atomically, write_json

MEASURED_WITHIN = {"tensor": 0.005, "files": 0.1}
"""How far mean and deviation of the training images may be from the described ones. Others may have
measured before validation images were held out; large images are often given ImageNet's."""


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
    tensors = assemble_tensors(description, paths)
    _check(description, tensors.measured)
    (output / NAME).unlink(missing_ok=True)
    for name, part in (("train", tensors.train), ("test", tensors.test)):
        with write_atomically(output / FILES[name]) as temporary:
            temporary.write_bytes(save({"images": part.images, "labels": part.labels}))
    splits.write_split(output, description.split_seed, tensors.validation)
    return [*FILES.values(), splits.NAME]


def _prepare_files(description: Description, paths: Mapping[str, Path], output: Path) -> list[str]:
    """Unpack the images and write index and split; give the names of the files."""
    stage = output / ".part"
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(parents=True)
    try:
        root = paths.get(CLASS_FOLDERS, stage / IMAGES)
        own = root == stage / IMAGES
        listed = _unpack(description, paths, root) if own else list_folders(description, root)
        files = assemble_files(description, root, listed)
        _check(description, files.measured)
        index.write_index(stage / index.NAME, files.files, files.checksums)
        (output / NAME).unlink(missing_ok=True)
        (output / LOCATION).unlink(missing_ok=True)
        if own:
            shutil.rmtree(output / IMAGES, ignore_errors=True)
        else:
            write_json(stage / LOCATION, {"images": str(root)})
        for path in list(stage.iterdir()):
            path.replace(output / path.name)
        os.sync()  # thousands of image files; the manifest must not outlive them
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    splits.write_split(output, description.split_seed, files.validation)
    return [index.NAME, splits.NAME]


def _unpack(description: Description, paths: Mapping[str, Path], root: Path) -> list[ImageFile]:
    """Unpack the source files below a folder, and list the images."""
    root.mkdir(parents=True)
    match description.format:
        case "ilsvrc-2012":
            ilsvrc.unpack_images(description, paths, root)
            return list_folders(description, root)
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
    parts = read(description, paths)
    for (part, images), count in zip(parts.items(), counts, strict=True):
        per_class = count // len(description.class_ids)
        class_folders.write_class_folders(root, part, description.class_ids, images, per_class)
    return list_folders(description, root, TRAIN_AND_TEST)


def describe(description: Description, files: Mapping[str, str]) -> Manifest:
    """The manifest of a data set.

    Args:
        description: of the data set.
        files: SHA-256 of the prepared files.
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
