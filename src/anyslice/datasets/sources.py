"""Finding, fetching and verifying a data set's source files, before any of them is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from anyslice.datasets.checksums import file_checksums
from anyslice.datasets.description import Description
from anyslice.datasets.download import download
from anyslice.datasets.errors import DataError
from anyslice.files import read_json, write_json

FOLDER = Path("data/sources")
"""Below it, <dataset>/ has what was downloaded and the records of `fetch` and `verify`."""

UNPACKED_ILSVRC = ("train", "val")
"""Folders that stand for the tar files of ImageNet when a user has unpacked them."""


@dataclass(frozen=True)
class Verified:
    """A source file whose checksum was right when it was read.

    Attributes:
        path: of the file; or of a folder of images, which has no checksum.
        sha256: of its content; empty for a folder.
        size: in bytes; 0 for a folder.
        modified: time of the last change, in nanoseconds; 0 for a folder.
    """

    path: str
    sha256: str
    size: int
    modified: int


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


def verify(
    description: Description,
    files: Mapping[str, Path],
    known: Mapping[str, Verified] | None = None,
) -> dict[str, Verified]:
    """Compare each source file's checksum with those that the description allows.

    Args:
        description: of the data set.
        files: the path of each file.
        known: of an earlier verification; a file that has not changed since is not read again.

    Raises:
        DataError: naming the first file whose checksum is wrong.
    """
    return {
        name: _verify(path, description.files.get(name, ()), (known or {}).get(name))
        for name, path in files.items()
    }


def _verify(path: Path, accepted: tuple[str, ...], known: Verified | None) -> Verified:
    if path.is_dir():
        return Verified(str(path), "", 0, 0)
    if not path.is_file():
        raise DataError(f"{path} was found before and is missing now; fetch it again")
    stat = path.stat()
    if known and (known.path, known.size, known.modified) == (
        str(path),
        stat.st_size,
        stat.st_mtime_ns,
    ):
        return known
    checksums = file_checksums(path, accepted)
    if not set(checksums.values()) & set(accepted):
        raise DataError(
            f"{path} is damaged or another file: its checksum is "
            f"{' and '.join(checksums.values())}, right would be {' or '.join(accepted)}; "
            "delete it and fetch it again"
        )
    sha256 = checksums["sha256"].partition(":")[2]
    return Verified(str(path), sha256, stat.st_size, stat.st_mtime_ns)


def write_fetched(path: Path, files: Mapping[str, Path]) -> None:
    """Record where the source files are."""
    write_json(path, {name: str(file) for name, file in files.items()})


def read_fetched(path: Path) -> dict[str, Path]:
    """What `write_fetched` recorded."""
    return {name: Path(file) for name, file in read_json(path).items()}


def write_verified(path: Path, files: Mapping[str, Verified]) -> None:
    """Record which source files were found right."""
    write_json(path, {name: asdict(file) for name, file in files.items()})


def read_verified(path: Path) -> dict[str, Verified]:
    """What `write_verified` recorded."""
    return {name: Verified(**file) for name, file in read_json(path).items()}


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
