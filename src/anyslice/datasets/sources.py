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

UNPACKED_ILSVRC = ("train", "val")
"""Folders that stand for the tar files of ImageNet when a user has unpacked them."""


def fetch(
    description: Description, downloads: Path | None = None, source: Path | None = None
) -> dict[str, Path]:
    """Find every source file, and download those that are nowhere to be found.

    Args:
        description: of the data set.
        downloads: the folder for downloads; FOLDER/<name> by default.
        source: the folder where the user says the files are; then nowhere else is looked.

    Returns:
        The path of each file, by name.

    Raises:
        DataError: if a file cannot be had; it names each one, and where and how to get it.
    """
    downloads = downloads or FOLDER / description.name
    folders = [Path(place.folder) for place in description.sources if place.folder]
    places = [source] if source else [downloads, *folders]
    if description.format == "ilsvrc-2012":
        for place in places:
            if any((place / part).is_dir() for part in UNPACKED_ILSVRC):
                return _unpacked(place)
    found = {
        name: place / name
        for place in reversed(places)
        for name in description.files
        if (place / name).is_file()
    }
    missing = [name for name in description.files if name not in found]
    addresses = [place.address for place in description.sources if place.address]
    if missing and (source or not addresses):
        raise DataError(_how_to_get(description, missing, places))
    for name in missing:
        path = downloads / name
        try:
            download(addresses[0].format(file=name), path, description.files[name])
        except DataError as error:
            raise DataError(f"{error}\n{_how_to_get(description, missing, places)}") from error
        found[name] = path
    return {name: found[name] for name in description.files}


def _unpacked(place: Path) -> dict[str, Path]:
    for part in UNPACKED_ILSVRC:
        if not (place / part).is_dir():
            raise DataError(
                f"{place / part} is missing: unpacked, ImageNet is in "
                f"{'/ and '.join(UNPACKED_ILSVRC)}/"
            )
    return {part: place / part for part in UNPACKED_ILSVRC}


def verify(description: Description, files: Mapping[str, Path]) -> dict[str, str]:
    """Compare each source file's checksum with those that the description allows.

    Returns:
        The SHA-256 of each file, by name; none for a folder of images.

    Raises:
        DataError: naming the first file whose checksum is wrong.
    """
    return {
        name: _sha256_if_right(path, description.files.get(name, ()))
        for name, path in files.items()
        if not path.is_dir()
    }


def _sha256_if_right(path: Path, accepted: tuple[str, ...]) -> str:
    if not path.is_file():
        raise DataError(f"{path} was found before and is missing now; fetch it again")
    checksums = file_checksums(path, accepted)
    if not set(checksums.values()) & set(accepted):
        raise DataError(
            f"{path} is damaged or another file: its checksum is "
            f"{' and '.join(checksums.values())}, right would be {' or '.join(accepted)}; "
            "delete it and fetch it again"
        )
    return checksums["sha256"].partition(":")[2]


def write_fetched(path: Path, files: Mapping[str, Path]) -> None:
    """Record where the source files are."""
    write_json(path, {name: str(file) for name, file in files.items()})


def read_fetched(path: Path) -> dict[str, Path]:
    """What `write_fetched` recorded."""
    return {name: Path(file) for name, file in read_json(path).items()}


def _how_to_get(description: Description, missing: list[str], places: list[Path]) -> str:
    lines = [f"{description.name} ({description.title}) is not here. Missing:"]
    lines += [f"  {name}" for name in missing]
    lines += ["Looked in:", *(f"  {place}" for place in places), "They can be had from:"]
    for place in description.sources:
        if place.package:
            lines.append(f"  the system package {place.package}, which fills {place.folder}")
        if place.address:
            lines.append(f"  {place.address}")
    lines += [
        f"  {description.homepage}",
        f"Terms: {description.terms}",
        f"Put them in {FOLDER / description.name}, or name their folder with",
        f"  anyslice data fetch {description.name} --source FOLDER",
        "The quick scale needs no download.",
    ]
    return "\n".join(lines)
