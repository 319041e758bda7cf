"""CUB-200-2011: a tar file of JPEGs with tables of text.

Format: the README of the data set. Each table has a line for each image or class: its number, from
1, and a value.
"""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from pathlib import Path

from anyslice.config.dataset import Description
from anyslice.datasets.manifest import DataError, ImageFile

FOLDER = "CUB_200_2011"


def unpack_images(files: Mapping[str, Path], root: Path) -> None:
    """Unpack images and tables of the verified archive to root/CUB_200_2011/."""
    (archive,) = files.values()
    with tarfile.open(archive) as tar:
        wanted = (member for member in tar if member.name.startswith(f"{FOLDER}/"))
        tar.extractall(root, wanted, filter="data")


def list_images(description: Description, root: Path) -> list[ImageFile]:
    """The images with their classes and parts, in the order of their numbers.

    Raises:
        DataError: if the description has other classes.
    """
    folder = root / FOLDER
    names = set(_table(folder / "classes.txt").values())
    expected = {f"{number:03}.{name}" for number, name in enumerate(description.classes, start=1)}
    if names != expected:
        wrong = sorted(names ^ expected)
        raise DataError(f"{folder / 'classes.txt'} and {description.path} differ in {wrong}")
    labels = _table(folder / "image_class_labels.txt")
    training = _table(folder / "train_test_split.txt")
    return [
        ImageFile(
            "train" if training[number] == "1" else "test",
            f"{FOLDER}/images/{path}",
            int(labels[number]) - 1,
        )
        for number, path in _table(folder / "images.txt").items()
    ]


def _table(path: Path) -> dict[str, str]:
    """Values by number."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {number: value for number, _, value in (line.partition(" ") for line in lines)}
