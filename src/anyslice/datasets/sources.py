"""Finding, fetching and verifying a data set's source files, before any of them is opened."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch

from anyslice.config.dataset import Description
from anyslice.datasets.manifest import DataError
from anyslice.files import read_json, write_atomically, write_json

FOLDER = Path("data/sources")
"""Below it, <dataset>/ has what was downloaded and the record of `fetch`."""

CLASS_FOLDERS = "class folders"
"""Stands for the source files where a user has their images as class folders."""


def fetch(
    description: Description, downloads: Path | None = None, source: Path | None = None
) -> dict[str, Path]:
    """Find every source file, and download those that are nowhere to be found.

    Args:
        description: of the data set.
        downloads: the folder for downloads; FOLDER/<name> by default.
        source: the folder where the user says the files are; then nowhere else is looked.

    Returns:
        The path of each file, by name; or of the folder of class folders, by CLASS_FOLDERS.

    Raises:
        DataError: if a file cannot be had; it names each one, and where and how to get it.
    """
    downloads = downloads or FOLDER / description.name
    folders = [Path(place.folder) for place in description.sources if place.folder]
    places = [source] if source else [downloads, *folders]
    for place in places:
        if _has_class_folders(description, place):
            return {CLASS_FOLDERS: place.absolute()}
    found = {
        name: place / name
        for place in reversed(places)
        for name in description.files
        if (place / name).is_file()
    }
    missing = [name for name in description.files if name not in found]
    addresses = [place.address for place in description.sources if place.address]
    if (missing and (source or not addresses)) or not description.files:
        raise DataError(_how_to_get(description, missing, places))
    for name in missing:
        found[name] = downloads / name
        try:
            download(addresses[0].format(file=name), found[name], description.files[name])
        except DataError as error:
            raise DataError(f"{error}\n{_how_to_get(description, missing, places)}") from error
    return {name: found[name] for name in description.files}


def _has_class_folders(description: Description, place: Path) -> bool:
    """Whether each part is there; "." must have classes itself."""
    folders = description.class_folders
    return folders is not None and all(
        any((place / name).is_dir() for name in description.folder_names)
        if folder == "."
        else (place / folder).is_dir()
        for folder in folders.names
    )


def download(address: str, path: Path, accepted: tuple[str, ...]) -> None:
    """Download a file; it gets its name once its checksum is one of `accepted`.

    Raises:
        DataError: if the connection fails or the checksum is wrong.
    """
    with write_atomically(path) as temporary:
        try:
            torch.hub.download_url_to_file(address, str(temporary))
        except OSError as error:
            raise DataError(f"{address} could not be downloaded: {error}") from error
        _check_file(temporary, accepted, f"{address} is not what it should be")


def verify(description: Description, files: Mapping[str, Path]) -> None:
    """Compare the checksum of each source file, not of folders, with those of the description.

    Raises:
        DataError: naming the first file that is gone or whose checksum is wrong.
    """
    for name, path in files.items():
        if not path.exists():
            raise DataError(f"{path} was found before and is missing now; fetch it again")
        if path.is_file():
            wrong = f"{path} is damaged or another file; delete it and fetch it again"
            _check_file(path, description.files[name], wrong)


def _check_file(path: Path, accepted: tuple[str, ...], wrong: str) -> None:
    """Compare a file's checksum with "sha256:digits" or, if no better is public, "md5:digits"."""
    found = set()
    for algorithm in {checksum.partition(":")[0] for checksum in accepted}:
        with path.open("rb") as file:
            found.add(f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}")
    if not found & set(accepted):
        raise DataError(
            f"{wrong}: its checksum is {' and '.join(sorted(found))}, right would be "
            f"{' or '.join(accepted)}"
        )


def write_fetched(path: Path, files: Mapping[str, Path]) -> None:
    """Record where the source files are."""
    write_json(path, {name: str(file) for name, file in files.items()})


def read_fetched(path: Path) -> dict[str, Path]:
    """What `write_fetched` recorded."""
    return {name: Path(file) for name, file in read_json(path).items()}


def _how_to_get(description: Description, missing: list[str], places: list[Path]) -> str:
    lines = [f"{description.name} ({description.title}) is not here. Missing:"]
    lines += [f"  {name}" for name in missing]
    if folders := description.class_folders:
        lines += [f"  {'or ' if missing else ''}class folders in {'/ and '.join(folders.names)}/"]
    lines += ["Looked in:", *(f"  {place}" for place in places)]
    lines += ["They can be had from:"] if description.homepage else []
    for place in description.sources:
        if place.package:
            lines.append(f"  the system package {place.package}, which fills {place.folder}")
        if place.address:
            lines.append(f"  {place.address}")
    lines += [f"  {description.homepage}"] if description.homepage else []
    lines += [f"Terms: {description.terms}"] if description.terms else []
    lines += [
        f"Put them in {FOLDER / description.name}, or name their folder with",
        f"  anyslice data fetch {description.name} --source FOLDER",
        "The quick scale needs no download.",
    ]
    return "\n".join(lines)
