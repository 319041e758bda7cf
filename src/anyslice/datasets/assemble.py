"""From source files to the images of a data set, in its order, with what they measure.

What is measured is compared with a description by `prepare`, and written into one by `describe`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from anyslice.config.dataset import TRAIN_AND_TEST, Content, Description, Folders
from anyslice.datasets import content
from anyslice.datasets.arrange import arrange
from anyslice.datasets.augmentation import pad_black
from anyslice.datasets.errors import DataError
from anyslice.datasets.formats import cifar, class_folders, idx
from anyslice.datasets.labelled import ImageFile, Images
from anyslice.datasets.scan import Statistics, count_values, scan, statistics
from anyslice.datasets.sources import CLASS_FOLDERS

READERS: dict[str, Callable[[Description, Mapping[str, Path]], tuple[Images, Images]]] = {
    "idx": idx.read_parts,
    "cifar-10": cifar.read_parts,
    "cifar-100": cifar.read_parts,
}
"""For each format of small images, training and test images from the source files."""

_log = logging.getLogger(__name__)


class Measured(NamedTuple):
    """What is told of a data set by its images.

    Attributes:
        statistics: of the training images, those for validation left out.
        content: checksums of the images.
    """

    statistics: Statistics
    content: Content


class Tensors(NamedTuple):
    """A data set of small images.

    Attributes:
        train: the training images, those for validation included.
        test: the test images.
        validation: positions of the validation images among the training images.
        measured: see there.
    """

    train: Images
    test: Images
    validation: list[int]
    measured: Measured


class Files(NamedTuple):
    """A data set of image files.

    Attributes:
        files: the images; "train" has those for validation as well.
        checksums: the SHA-256 of each.
        validation: positions of the validation images among the training images.
        measured: see there.
    """

    files: list[ImageFile]
    checksums: list[str]
    validation: list[int]
    measured: Measured


def assemble_tensors(description: Description, paths: Mapping[str, Path]) -> Tensors:
    """Read small images into memory.

    Args:
        description: of the data set.
        paths: the source files, as `sources.fetch` finds them.

    Raises:
        DataError: if something cannot be read or is not as large as described.
    """
    parts = read(description, paths)
    images, labels = (torch.cat(some) for some in zip(*parts.values(), strict=True))
    names = [part for part, some in parts.items() for _ in some.labels]
    digests = content.digests(Images(images, labels), len(description.classes))
    if description.format != "idx":  # which has one source, and a published order
        order = content.canonical_order(digests)
        images, labels = images[order], labels[order]
        digests, names = ([some[i] for i in order.tolist()] for some in (digests, names))
    arrangement = arrange(description, names)
    train, test = (
        resize(Images(images[part], labels[part]), description) for part in arrangement[:2]
    )
    shape = (description.image_size, description.image_size, description.image_channels)
    if train.images.shape[1:] != shape:
        raise DataError(
            f"{description.path} promises images of shape {shape}, the source's are "
            f"{tuple(train.images.shape[1:])}"
        )
    kept = np.delete(train.images.numpy(), arrangement.validation, axis=0)
    measured = Measured(measure(kept), _content(digests, *arrangement[:2]))
    return Tensors(train, test, arrangement.validation, measured)


def assemble_files(description: Description, root: Path, listed: Sequence[ImageFile]) -> Files:
    """Read every image file once.

    Args:
        description: of the data set.
        root: the folder of images.
        listed: what is in it.

    Raises:
        DataError: if an image cannot be read, or they are not as many as described.
    """
    arrangement = arrange(description, [file.part for file in listed])
    scanned = scan(root, listed, description.image_size, description.image_channels)
    classes = len(description.classes)
    digests = [
        content.digest(file.label, classes, bytes.fromhex(image.sha256))
        for file, image in zip(listed, scanned, strict=True)
    ]
    validation = set(arrangement.validation)
    kept = (p for i, p in enumerate(arrangement.train) if i not in validation)
    measured = Measured(
        statistics(scanned[position].values for position in kept),
        _content(digests, *arrangement[:2]),
    )
    test = set(arrangement.test)
    return Files(
        [f._replace(part="test" if i in test else "train") for i, f in enumerate(listed)],
        [image.sha256 for image in scanned],
        arrangement.validation,
        measured,
    )


def _content(digests: list[bytes], train: list[int], test: list[int]) -> Content:
    return Content(*(content.checksum(digests[i] for i in part) for part in (train, test)))


def read(description: Description, paths: Mapping[str, Path]) -> dict[str, Images]:
    """The images of each part as the source has them."""
    if root := paths.get(CLASS_FOLDERS):
        files = list_folders(description, root)
        return class_folders.read_parts(root, files, description.image_channels)
    train, test = READERS[description.format](description, paths)
    return {"train": train, "test": test}


def list_folders(
    description: Description, root: Path, folders: Folders | None = None
) -> list[ImageFile]:
    """The images in class folders; a line in the log says what else is there."""
    folders = folders or description.class_folders or TRAIN_AND_TEST
    listing = class_folders.list_folders(root, folders, description.folder_names)
    if listing.skipped:
        _log.warning(
            "%s: %d that are no images by their names are left out: %s",
            root,
            len(listing.skipped),
            class_folders.some(listing.skipped),
        )
    return listing.files


def resize(part: Images, description: Description) -> Images:
    """Pad with black, then average squares of pixels, as the description says."""
    images = pad_black(part.images, description.pad)
    if description.shrink > 1:
        pooled = torch.nn.functional.avg_pool2d(
            images.permute(0, 3, 1, 2).float(), description.shrink
        )
        images = pooled.round().to(torch.uint8).permute(0, 2, 3, 1)
    return Images(images.contiguous(), part.labels)


def measure(images: npt.NDArray[np.uint8]) -> Statistics:
    """Mean and standard deviation of each channel of images (N, H, W, C)."""
    return statistics([count_values(images.reshape(-1, images.shape[-1]))])
