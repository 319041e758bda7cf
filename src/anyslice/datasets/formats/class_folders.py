"""Images as files in one folder for each class, as ImageNet is usually unpacked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image

from anyslice.config.dataset import Folders
from anyslice.datasets.decoding import decode
from anyslice.datasets.errors import DataError
from anyslice.datasets.labelled import ImageFile, Images
from anyslice.datasets.parallel import parallel

SUFFIXES = frozenset(
    {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"},
)


@dataclass
class Listing:
    """What is in class folders.

    Attributes:
        files: the images of "train", "validation" and "test", each by class and then by name.
        skipped: what else lies there, relative to the folder of images.
    """

    files: list[ImageFile] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def list_folders(root: Path, folders: Folders, names: Sequence[str]) -> Listing:
    """The images in the class folders of every part.

    Args:
        root: the folder of images.
        folders: where each part is.
        names: of the classes' folders in the order of the labels.

    Raises:
        DataError: if a class folder is missing, empty or one too many.
    """
    listing = Listing()
    parts = {"train": folders.train, "validation": folders.validation, "test": folders.test}
    for part, folder in parts.items():
        if folder:
            _check_names(root / folder, names)
            for label, name in enumerate(names):
                _add(listing, root, ImageFile(part, str(PurePosixPath(folder, name)), label))
    return listing


def _check_names(folder: Path, names: Sequence[str]) -> None:
    present = set(class_names(folder))
    missing, surplus = set(names) - present, present - set(names)
    if missing or surplus:
        raise DataError(
            f"{folder} must have a folder for each of {len(names)} classes and no other;"
            f" missing: {some(missing)}; too many: {some(surplus)}"
        )


def class_names(folder: Path) -> list[str]:
    """The class folders in a folder, in alphabetical order; hidden ones are none."""
    return sorted(
        path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )


def _add(listing: Listing, root: Path, folder: ImageFile) -> None:
    """Add what is in the folder of a class."""
    images = len(listing.files)
    for path in sorted((root / folder.path).iterdir()):
        name = f"{folder.path}/{path.name}"
        hidden = path.name.startswith(".")
        if hidden or path.is_dir() or path.suffix.lower() not in SUFFIXES:
            listing.skipped.append(name)
        else:
            listing.files.append(folder._replace(path=name))
    if len(listing.files) == images:
        raise DataError(f"{root / folder.path} has no images")


def read_images(root: Path, files: Sequence[ImageFile], channels: int) -> Images:
    """Decode small images of one size.

    Raises:
        DataError: naming every file that cannot be decoded, or the first of another size.
    """

    def pixels(file: ImageFile) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        return np.array(decode(root / file.path, channels))

    decoded = list(parallel(pixels, files, "images"))
    first = decoded[0].shape
    for file, image in zip(files, decoded, strict=True):
        if image.shape != first:
            raise DataError(
                f"{root / file.path} is {image.shape[1]}x{image.shape[0]} pixels, but "
                f"{root / files[0].path} is {first[1]}x{first[0]}; images of several sizes are "
                "stored as files: `storage: files`"
            )
    images = np.stack(decoded)
    labels = torch.tensor([file.label for file in files])
    return Images(torch.from_numpy(images).view(*images.shape[:3], channels), labels)


def read_parts(root: Path, files: Sequence[ImageFile], channels: int) -> dict[str, Images]:
    """The images of each part; see `read_images`."""
    images, labels = read_images(root, files, channels)
    positions: dict[str, list[int]] = {}
    for position, file in enumerate(files):
        positions.setdefault(file.part, []).append(position)
    return {part: Images(images[some], labels[some]) for part, some in positions.items()}


def write_class_folders(
    root: Path, folder: str, class_ids: Sequence[str], images: Images, per_class: int
) -> None:
    """Write the first images of each class as PNG files.

    Args:
        root: the folder of images.
        folder: the part's folder in it.
        class_ids: names of the classes' folders in the order of the labels.
        images: grey or colour.
        per_class: how many of each class.
    """
    for label, name in enumerate(class_ids):
        (root / folder / name).mkdir(parents=True)
        for index in torch.nonzero(images.labels == label).flatten()[:per_class].tolist():
            pixels = images.images[index].squeeze(-1).numpy()
            Image.fromarray(pixels).save(root / folder / name / f"{index:05}.png")


def some(names: set[str] | Sequence[str]) -> str:
    """The first names of many, and how many more there are."""
    shown = ", ".join(sorted(names)[:10]) or "none"
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"
