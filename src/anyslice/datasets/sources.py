"""Finding, fetching and verifying a data set's source files, before any of them is opened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from anyslice.config.dataset import Description
from anyslice.datasets.checksums import file_checksums
from anyslice.datasets.download import download
from anyslice.datasets.errors import DataError
from anyslice.files import read_json, write_json

FOLDER = Path("data/sources")
"""Below it, <dataset>/ has what was downloaded and the record of `fetch`."""

CLASS_FOLDERS = "class folders"
"""Stands for the source files where a user has their images as class folders."""

UNPACKED = {"cifar-10": "cifar-10-batches-py", "cifar-100": "cifar-100-python"}
"""For each format, the folder that stands for its tar file when a user has unpacked it."""


def fetch(
    description: Description, downloads: Path | None = None, source: Path | None = None
) -> dict[str, Path]:
    """Find every source file, and download those that are nowhere to be found.

    Args:
        description: of the data set.
        downloads: the folder for downloads; FOLDER/<name> by default.
        source: the folder where the user says the files are; then nowhere else is looked.

    Returns:
        The path of each file, by name; or of the folder that stands for all of them, by
        CLASS_FOLDERS or a name in UNPACKED.

    Raises:
        DataError: if a file cannot be had; it names each one, and where and how to get it.
    """
    downloads = downloads or FOLDER / description.name
    folders = [Path(place.folder) for place in description.sources if place.folder]
    places = [source] if source else [downloads, *folders]
    for place in places:
        if unpacked := _unpacked(description, place):
            return unpacked
    found = {
        name: place / name
        for place in reversed(places)
        for name in description.files
        if (place / name).is_file()
    }
    missing = [name for name in description.files if name not in found]
    addresses = [place.address for place in description.sources if place.address]
    if missing or not description.files:
        _refuse_half(description, places)
    if (missing and (source or not addresses)) or not description.files:
        raise DataError(_how_to_get(description, missing, places))
    for name in missing:
        path = downloads / name
        try:
            download(addresses[0].format(file=name), path, description.files[name])
        except DataError as error:
            raise DataError(f"{error}\n{_how_to_get(description, missing, places)}") from error
        found[name] = path
    return {name: found[name] for name in description.files}


def _unpacked(description: Description, place: Path) -> dict[str, Path]:
    """The folder in a place that stands for the source files, by name; empty if there is none."""
    folders = description.class_folders
    if folders and all(_has(description, place, name) for name in folders.names):
        return {CLASS_FOLDERS: place.absolute()}
    name = UNPACKED.get(description.format, "")
    for folder in (place / name, place):
        if name and folder.is_dir() and folder.absolute().name == name:
            return {name: folder.absolute()}
    return {}


def _has(description: Description, place: Path, folder: str) -> bool:
    """Whether a place has a folder of class folders; the place itself must have classes, too."""
    if folder == ".":
        return any((place / name).is_dir() for name in description.folder_names)
    return (place / folder).is_dir()


def _refuse_half(description: Description, places: list[Path]) -> None:
    """Name what is missing where there are class folders of one part only."""
    names = description.class_folders.names if description.class_folders else ()
    for place in places:
        missing = [name for name in names if not _has(description, place, name)]
        if 0 < len(missing) < len(names):
            raise DataError(
                f"{place / missing[0]} is missing: unpacked, {description.title} is in "
                f"{'/ and '.join(names)}/"
            )


def verify(description: Description, files: Mapping[str, Path]) -> None:
    """Compare each source file's checksum with those that the description allows.

    Folders have none, and files need none where the description has that of the content.

    Raises:
        DataError: naming the first file that is gone or whose checksum is wrong.
    """
    for name, path in files.items():
        if not path.exists():
            raise DataError(f"{path} was found before and is missing now; fetch it again")
        if path.is_file() and not description.content:
            _check_file(path, description.files[name])


def _check_file(path: Path, accepted: tuple[str, ...]) -> None:
    checksums = file_checksums(path, accepted)
    if not set(checksums.values()) & set(accepted):
        raise DataError(
            f"{path} is damaged or another file: its checksum is "
            f"{' and '.join(checksums.values())}, right would be {' or '.join(accepted)}; "
            "delete it and fetch it again"
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
