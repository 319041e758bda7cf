"""The records in a prepared data set's folder: its manifest, split and index.

The manifest is part of a training's identity. So it says nothing of what the same data may differ
in: which kind of source they came from, and where image files lie.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from anyslice.config.checked_yaml import ParameterError, check
from anyslice.config.dataset import Counts, Storage
from anyslice.errors import AnysliceError
from anyslice.files import read_json, sha256, write_atomically, write_json

NAME = "manifest.json"
SPLIT = "split.json"
"""The indices of the validation images among the training images, and the seed that drew them."""

INDEX = "index.csv"
"""Of a data set of image files: every image with its part, label and checksum."""

LOCATION = "location.json"
"""Says where image files are that were left in a folder of the user."""

IMAGES = "images"
"""Folder of the image files in a prepared data set, where they are its own."""


class DataError(AnysliceError):
    """Data that is missing, damaged or not what was promised.

    The message names the file, what is wrong with it and what would be right.
    """


class ImageFile(NamedTuple):
    """An image on disk.

    Attributes:
        part: "train" (in an index with the images for validation), "validation" or "test".
        path: relative to the folder of images, with / between folders.
        label: its class.
        sha256: of the file; empty until it was read.
    """

    part: str
    path: str
    label: int
    sha256: str = ""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Manifest:
    """What `open_dataset` needs to know: parts of the Description, and what follows from it.

    Attributes:
        levels: from fine to coarse, for each the label names; the first are the classes.
        level_labels: for each level the label of each class.
        files: SHA-256 of the files beside the manifest.
    """

    name: str
    title: str
    storage: Storage
    crop_padding: int
    crop_area: float
    image_size: int
    image_channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    pad: int
    shrink: int
    counts: Counts
    classes: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    level_labels: tuple[tuple[int, ...], ...]
    files: dict[str, str]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write it, last of all files: a folder without one is not a prepared data set."""
    write_json(folder / NAME, asdict(manifest))


def write_split(folder: Path, seed: int, validation: list[int]) -> None:
    """Store the split of a prepared data set."""
    write_json(folder / SPLIT, {"seed": seed, "validation": validation})


def read_split(folder: Path) -> list[int]:
    """The indices of the validation images, in increasing order."""
    indices: list[int] = read_json(folder / SPLIT)["validation"]
    return indices


def write_index(path: Path, files: Sequence[ImageFile]) -> None:
    """Write an index; "train" has the images for validation as well."""
    with (
        write_atomically(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as out,
    ):
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(("part", "label", "sha256", "path"))
        writer.writerows((file.part, file.label, file.sha256, file.path) for file in files)


def read_index(path: Path) -> list[ImageFile]:
    """The images in the order in which they were written."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            ImageFile(row["part"], row["path"], int(row["label"]), row["sha256"])
            for row in csv.DictReader(file)
        ]


def images_of(folder: Path) -> Path:
    """The folder of the image files of a prepared data set whose storage is "files".

    Raises:
        DataError: if it is not there.
    """
    location = folder / LOCATION
    images = Path(read_json(location)["images"]) if location.is_file() else folder / IMAGES
    if not images.is_dir():
        raise DataError(
            f"{images}, which has the images of {folder}, is not there; if they have moved, run "
            f"`anyslice data prepare {folder.name} --source FOLDER --output {folder}` with their "
            "folder: trainings are still valid where the images are the same"
        )
    return images


def read_manifest(folder: Path, *, verify: bool = True) -> Manifest:
    """Read the manifest of a prepared data set, data/<name>; `verify` the SHA-256 of every file.

    Raises:
        DataError: if the data set is not there or not as it was prepared.
    """
    path = folder / NAME
    if not path.is_file():
        raise DataError(
            f"{folder} is not a prepared data set: it has no {NAME}. Prepare it with "
            f"`anyslice data prepare {folder.name} --output {folder}`; "
            "the quick scale needs no download."
        )
    try:
        manifest = check(Manifest, read_json(path), path)
    except (ValueError, ParameterError) as error:
        raise DataError(
            f"{path} is damaged; delete {folder} and prepare it again: {error}"
        ) from error
    if verify:
        _verify(folder, manifest)
    return manifest


def _verify(folder: Path, manifest: Manifest) -> None:
    for name, expected in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise DataError(f"{path} is missing; delete {folder} and prepare it again")
        found = sha256(path)
        if found != expected:
            raise DataError(
                f"{path} has changed since it was prepared (SHA-256 {found}, {NAME} says "
                f"{expected}); delete {folder} and prepare it again"
            )
