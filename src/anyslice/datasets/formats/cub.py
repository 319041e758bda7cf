"""CUB-200-2011: a tar file of JPEGs with tables of text.

Format: the README of the data set. Each table has a line for each image or class: its number, from
1, and a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from anyslice.config.dataset import Description
from anyslice.datasets.errors import DataError
from anyslice.datasets.formats.archives import open_tar, unpack
from anyslice.datasets.labelled import ImageFile

FOLDER = "CUB_200_2011"


def unpack_images(files: Mapping[str, Path], root: Path) -> None:
    """Unpack images and tables to root/CUB_200_2011/.

    Raises:
        DataError: if the archive is damaged or would write elsewhere.
    """
    (archive,) = files.values()
    with open_tar(archive) as tar:
        unpack(tar, root, below=f"{FOLDER}/")


def list_images(description: Description, root: Path) -> list[ImageFile]:
    """The images with their classes and parts, in the order of their numbers.

    Raises:
        DataError: if a table is missing or says something that cannot be.
    """
    folder = root / FOLDER
    names = _table(folder / "classes.txt")
    expected = [f"{number:03}.{name}" for number, name in enumerate(description.classes, start=1)]
    if list(names.values()) != expected:
        wrong = sorted(set(names.values()) ^ set(expected))
        raise DataError(f"{folder / 'classes.txt'} and {description.path} differ in {wrong}")
    paths = _table(folder / "images.txt")
    labels = _numbers(folder / "image_class_labels.txt", range(1, len(expected) + 1))
    training = _numbers(folder / "train_test_split.txt", range(2))
    for table, rows in (("image_class_labels", labels), ("train_test_split", training)):
        if rows.keys() != paths.keys():
            raise DataError(f"{folder / table}.txt and images.txt number different images")
    return [
        ImageFile(
            "train" if training[number] else "test",
            _inside(path, folder / "images.txt"),
            labels[number] - 1,
        )
        for number, path in paths.items()
    ]


def _inside(path: str, table: Path) -> str:
    """A path in images.txt, as seen from the folder of images."""
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise DataError(f"{table} names {path!r}, which is not below the folder of images")
    return f"{FOLDER}/images/{path}"


def _table(path: Path) -> dict[int, str]:
    if not path.is_file():
        raise DataError(f"{path} is missing")
    rows = {}
    for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        number, _, value = text.partition(" ")
        if not number.isdecimal() or not value or int(number) in rows:
            raise DataError(f"{path}, line {line}: {text!r} is no new number and a value")
        rows[int(number)] = value
    return rows


def _numbers(path: Path, allowed: range) -> dict[int, int]:
    rows = {}
    for number, value in _table(path).items():
        if not value.isdecimal() or int(value) not in allowed:
            raise DataError(
                f"{path}: image {number} has the value {value}, which is not one of "
                f"{allowed.start} to {allowed.stop - 1}"
            )
        rows[number] = int(value)
    return rows
