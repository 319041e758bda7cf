"""manifest.json of a prepared data set: what it holds, with the SHA-256 of every file.

The manifest is part of a training's identity. So it says nothing of what the same data may differ
in: which kind of source they came from, and where image files lie.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from anyslice.config.checked_yaml import ParameterError, check
from anyslice.config.dataset import Counts, Storage
from anyslice.datasets.errors import DataError
from anyslice.files import read_json, sha256, write_json

NAME = "manifest.json"
LOCATION = "location.json"
"""Says where image files are that were left in a folder of the user."""

IMAGES = "images"
"""Folder of the image files in a prepared data set, where they are its own."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Manifest:
    """What `open_dataset` needs to know.

    Attributes:
        name: of the data set.
        title: for people, and for figures.
        storage: "tensor" or "files" (see Description).
        crop_padding: see Description.
        crop_area: see Description.
        image_size: height and width in pixels.
        image_channels: 1 or 3.
        mean: of each channel, black 0 and white 1.
        std: of each channel.
        pad: see Description.
        shrink: see Description.
        counts: images of each part.
        classes: names in the order of the labels.
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
    """Read the manifest of a prepared data set.

    Args:
        folder: data/<name>.
        verify: also compare the SHA-256 of every file.

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
