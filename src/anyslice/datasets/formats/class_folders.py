"""Images as files in one folder for each class, as ImageNet is usually unpacked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image

from anyslice.datasets.errors import DataError
from anyslice.datasets.labelled import ImageFile, Images

SUFFIXES = {".jpeg", ".jpg", ".png"}


def read_class_folders(
    root: Path, folder: str, class_ids: Sequence[str], part: str
) -> list[ImageFile]:
    """The images of a part, by class and then by name.

    Args:
        root: the folder of images.
        folder: the part's folder in it.
        class_ids: names of the classes' folders in the order of the labels.
        part: "train" or "test".

    Raises:
        DataError: if a class folder is missing, empty or one too many.
    """
    present = {path.name for path in (root / folder).iterdir() if path.is_dir()}
    missing, surplus = set(class_ids) - present, present - set(class_ids)
    if missing or surplus:
        raise DataError(
            f"{root / folder} must have a folder for each of {len(class_ids)} classes and no other;"
            f" missing: {_some(missing)}; too many: {_some(surplus)}"
        )
    files = []
    for label, name in enumerate(class_ids):
        paths = sorted(p for p in (root / folder / name).iterdir() if p.suffix.lower() in SUFFIXES)
        if not paths:
            raise DataError(f"{root / folder / name} has no images")
        files += [ImageFile(part, f"{folder}/{name}/{path.name}", label) for path in paths]
    return files


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


def _some(names: set[str]) -> str:
    shown = ", ".join(sorted(names)[:10]) or "none"
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"
