"""Images as files in one folder for each class, as ImageNet is usually unpacked."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from anyslice.config.dataset import TRAIN_AND_TEST, Description, Folders
from anyslice.datasets.decoding import decode
from anyslice.datasets.formats import Images
from anyslice.datasets.manifest import DataError, ImageFile
from anyslice.datasets.scan import parallel

SUFFIXES = frozenset(
    {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"},
)

_log = logging.getLogger(__name__)


def list_images(
    description: Description, root: Path, folders: Folders | None = None
) -> list[ImageFile]:
    """The images of each part, by class and then by name; other files are skipped and logged.

    Args:
        description: says where each part is, unless `folders` does.
        root: the folder of images.
        folders: where each part is.

    Raises:
        DataError: if a class folder is missing, empty or one too many.
    """
    folders = folders or description.class_folders or TRAIN_AND_TEST
    files: list[ImageFile] = []
    skipped: list[str] = []
    for part in ("train", "validation", "test"):
        folder = getattr(folders, part)
        if not folder:
            continue
        _check_names(root / folder, description.folder_names)
        for label, name in enumerate(description.folder_names):
            images, others = _sort_out(root / folder / name)
            files += [ImageFile(part, path.relative_to(root).as_posix(), label) for path in images]
            skipped += [path.relative_to(root).as_posix() for path in others]
    if skipped:
        message = "%s: %d that are no images by their names are left out: %s"
        _log.warning(message, root, len(skipped), _some(skipped))
    return files


def _check_names(folder: Path, names: Sequence[str]) -> None:
    present = set(class_names(folder))
    missing, surplus = set(names) - present, present - set(names)
    if missing or surplus:
        raise DataError(
            f"{folder} must have a folder for each of {len(names)} classes and no other;"
            f" missing: {_some(missing)}; too many: {_some(surplus)}"
        )


def class_names(folder: Path) -> list[str]:
    """The class folders in a folder, in alphabetical order; hidden ones are none."""
    return sorted(
        path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )


def _sort_out(folder: Path) -> tuple[list[Path], list[Path]]:
    """The images in the folder of a class, and what else is there."""
    paths = sorted(folder.iterdir())
    images = [path for path in paths if _is_image(path)]
    if not images:
        raise DataError(f"{folder} has no images")
    return images, [path for path in paths if path not in set(images)]


def _is_image(path: Path) -> bool:
    hidden = path.name.startswith(".")
    return not hidden and path.suffix.lower() in SUFFIXES and not path.is_dir()


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
    images = torch.from_numpy(np.stack(decoded)).view(len(files), *first[:2], channels)
    return Images(images, torch.tensor([file.label for file in files]))


def write_images(folder: Path, names: Sequence[str], images: Images, per_class: int) -> None:
    """Write the first grey or colour images of each class as PNG files.

    Args:
        folder: of the part.
        names: of the classes' folders in the order of the labels.
        images: of the part.
        per_class: how many of each class.
    """
    for label, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for index in torch.nonzero(images.labels == label).flatten()[:per_class].tolist():
            pixels = images.images[index].squeeze(-1).numpy()
            Image.fromarray(pixels).save(folder / name / f"{index:05}.png")


def _some(names: set[str] | Sequence[str]) -> str:
    """The first names of many, and how many more there are."""
    shown = ", ".join(sorted(names)[:10]) or "none"
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"
