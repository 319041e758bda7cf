"""From source files to a prepared data set, all or nothing.

Both kinds of storage go the same way: verify the sources' checksums before any is opened, read or
unpack them, check against the description, write the files, and last of all the manifest that makes
them a data set.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from anyslice.config.dataset import Content, Description, Folders
from anyslice.datasets import content, index, splits
from anyslice.datasets.arrange import arrange
from anyslice.datasets.augmentation import pad_black
from anyslice.datasets.errors import DataError
from anyslice.datasets.formats import cifar, class_folders, cub, idx, ilsvrc
from anyslice.datasets.labelled import ImageFile, Images
from anyslice.datasets.manifest import IMAGES, LOCATION, NAME, Manifest, write_manifest
from anyslice.datasets.scan import Statistics, count_values, scan, statistics
from anyslice.datasets.sources import CLASS_FOLDERS, verify
from anyslice.datasets.tensors import FILES
from anyslice.files import sha256, write_atomically, write_json

MEASURED_WITHIN = {"tensor": 0.005, "files": 0.1}
"""How far mean and deviation of the training images may be from the described ones. Others may have
measured before validation images were held out; large images are often given ImageNet's."""

READERS: dict[str, Callable[[Description, Mapping[str, Path]], tuple[Images, Images]]] = {
    "idx": idx.read_parts,
    "cifar-10": cifar.read_parts,
    "cifar-100": cifar.read_parts,
}
"""For each format of small images, training and test images from the source files."""

_log = logging.getLogger(__name__)


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
    parts = _read(description, paths)
    images, labels = (torch.cat(some) for some in zip(*parts.values(), strict=True))
    names = [part for part, some in parts.items() for _ in some.labels]
    digests: list[bytes] = []
    if description.format != "idx":  # which has one source, and a published order
        digests = content.digests(Images(images, labels), len(description.classes))
        order = content.canonical_order(digests)
        images, labels = images[order], labels[order]
        digests, names = ([some[i] for i in order.tolist()] for some in (digests, names))
    arrangement = arrange(description, names)
    _check_content(
        description, *([digests[i] for i in part] for part in arrangement[:2] if digests)
    )
    train, test = (
        resize(Images(images[part], labels[part]), description) for part in arrangement[:2]
    )
    shape = (description.image_size, description.image_size, description.image_channels)
    if train.images.shape[1:] != shape:
        raise DataError(
            f"{description.path} promises images of shape {shape}, the source's are "
            f"{tuple(train.images.shape[1:])}"
        )
    kept = torch.ones(len(train.labels), dtype=torch.bool)
    kept[arrangement.validation] = False
    _check_statistics(description, measure(train.images[kept]))
    (output / NAME).unlink(missing_ok=True)
    for name, part in (("train", train), ("test", test)):
        with write_atomically(output / FILES[name]) as temporary:
            temporary.write_bytes(save({"images": part.images, "labels": part.labels}))
    splits.write_split(output, description.split_seed, arrangement.validation)
    return [*FILES.values(), splits.NAME]


def _read(description: Description, paths: Mapping[str, Path]) -> dict[str, Images]:
    """The images of each part as the source has them."""
    if root := paths.get(CLASS_FOLDERS):
        return class_folders.read_parts(root, _list(description, root), description.image_channels)
    return dict(zip(FILES, READERS[description.format](description, paths), strict=True))


def _prepare_files(description: Description, paths: Mapping[str, Path], output: Path) -> list[str]:
    """Unpack the images and write index and split; give the names of the files."""
    stage = output / ".part"
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(parents=True)
    try:
        root = paths.get(CLASS_FOLDERS, stage / IMAGES)
        own = root == stage / IMAGES
        files = _unpack(description, paths, root) if own else _list(description, root)
        validation = _write_index(description, root, files, stage / index.NAME)
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
    splits.write_split(output, description.split_seed, validation)
    return [index.NAME, splits.NAME]


def _write_index(
    description: Description, root: Path, files: list[ImageFile], path: Path
) -> list[int]:
    """Read every image and write the index; give the positions of the validation images."""
    arrangement = arrange(description, [file.part for file in files])
    scanned = scan(root, files, description.image_size, description.image_channels)
    classes = len(description.classes)
    digests = [
        content.digest(file.label, classes, bytes.fromhex(image.sha256))
        for file, image in zip(files, scanned, strict=True)
    ]
    _check_content(description, *([digests[i] for i in part] for part in arrangement[:2]))
    kept = set(range(len(arrangement.train))) - set(arrangement.validation)
    _check_statistics(
        description, statistics(scanned[arrangement.train[i]].values for i in sorted(kept))
    )
    parts = dict.fromkeys(arrangement.train, "train") | dict.fromkeys(arrangement.test, "test")
    index.write_index(
        path,
        [file._replace(part=parts[i]) for i, file in enumerate(files)],
        [image.sha256 for image in scanned],
    )
    return arrangement.validation


def _unpack(description: Description, paths: Mapping[str, Path], root: Path) -> list[ImageFile]:
    """Unpack the source files below a folder, and list the images."""
    root.mkdir(parents=True)
    match description.format:
        case "ilsvrc-2012":
            ilsvrc.unpack_images(description, paths, root)
            return _list(description, root)
        case "cub-200-2011":
            cub.unpack_images(paths, root)
            return cub.list_images(description, root)
        case _:
            return _write_class_folders(description, paths, root)


def _list(description: Description, root: Path, folders: Folders | None = None) -> list[ImageFile]:
    """The images in class folders; a line in the log says what else is there."""
    folders = folders or description.class_folders or Folders()
    listing = class_folders.list_folders(root, folders, description.folder_names)
    if listing.skipped:
        _log.warning(
            "%s: %d files or folders that are no images by their names are left out: %s",
            root,
            len(listing.skipped),
            class_folders.some(listing.skipped),
        )
    return listing.files


def _write_class_folders(
    description: Description, paths: Mapping[str, Path], root: Path
) -> list[ImageFile]:
    """Write small images as files, as many of each class."""
    counts = (description.counts.train + description.counts.validation, description.counts.test)
    parts = READERS[description.format](description, paths)
    for part, images, count in zip(("train", "test"), parts, counts, strict=True):
        per_class = count // len(description.class_ids)
        class_folders.write_class_folders(root, part, description.class_ids, images, per_class)
    return _list(description, root, Folders())


def resize(part: Images, description: Description) -> Images:
    """Pad with black, then average squares of pixels, as the description says."""
    images = pad_black(part.images, description.pad)
    if description.shrink > 1:
        pooled = torch.nn.functional.avg_pool2d(
            images.permute(0, 3, 1, 2).float(), description.shrink
        )
        images = pooled.round().to(torch.uint8).permute(0, 2, 3, 1)
    return Images(images.contiguous(), part.labels)


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


def _check_content(
    description: Description, train: Iterable[bytes] = (), test: Iterable[bytes] = ()
) -> None:
    """Compare the digests of images with the checksums of the description, if it has any."""
    if not description.content:
        return
    found = Content(train=content.checksum(train), test=content.checksum(test))
    for part in ("train", "test"):
        right, checksum = getattr(description.content, part), getattr(found, part)
        if checksum != right:
            raise DataError(
                f"{description.path}: the {part} images are not those described: the checksum of "
                f"their content is {checksum}, right would be {right}"
            )


def _check_statistics(description: Description, measured: Statistics) -> None:
    within = MEASURED_WITHIN[description.storage]
    for key, values in measured.items():
        described = getattr(description, key)
        if any(abs(a - b) > within for a, b in zip(values, described, strict=True)):
            raise DataError(
                f"{description.path}: key {key!r} is {list(described)}, but the training images "
                f"have {list(values)}"
            )


def measure(images: Tensor) -> Statistics:
    """Mean and standard deviation of each channel of uint8 images (N, H, W, C), white being 1."""
    return statistics([count_values(images.flatten(0, 2).numpy())])
