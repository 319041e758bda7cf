"""Finding a data set's source files and verifying them before they are opened."""

from __future__ import annotations

import hashlib
from pathlib import Path

from anyslice.datasets.description import Description
from anyslice.datasets.errors import DataError


def find_sources(description: Description, folder: Path | None = None) -> Path:
    """The first folder that has all source files.

    Args:
        description: of the data set.
        folder: where the user says they are; then nowhere else is looked.

    Raises:
        DataError: if there is none; it says where the files can be had and where to put them.
    """
    known = [Path(source.folder) for source in description.sources if source.folder]
    for place in [folder] if folder else known:
        if all((place / name).is_file() for name in description.files):
            return place
    raise DataError(_how_to_get(description, [folder] if folder else known))


def verify_sources(description: Description, folder: Path) -> dict[str, str]:
    """SHA-256 of each source file, after all are found to be what the description says.

    Raises:
        DataError: naming the first file whose checksum is wrong.
    """
    return {name: _verify(folder / name, known) for name, known in description.files.items()}


def _verify(path: Path, accepted: tuple[str, ...]) -> str:
    algorithms = {"sha256"} | {checksum.partition(":")[0] for checksum in accepted}
    found = {name: f"{name}:{_digest(path, name)}" for name in sorted(algorithms)}
    if not set(found.values()) & set(accepted):
        raise DataError(
            f"{path} is damaged or another file: its checksum is {', '.join(found.values())}; "
            f"right would be {' or '.join(accepted)}. Delete it and fetch it again."
        )
    return found["sha256"].partition(":")[2]


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _how_to_get(description: Description, places: list[Path]) -> str:
    lines = [f"the files of {description.name} ({description.title}) are missing:"]
    for place in places:
        missing = [name for name in description.files if not (place / name).is_file()]
        lines.append(f"  {place} lacks {', '.join(missing)}")
    lines.append("They can be had from:")
    for source in description.sources:
        if source.package:
            lines.append(
                f"  the system package {source.package}, which puts them in {source.folder}"
            )
        elif source.address:
            lines.append(f"  {source.address}")
    lines.append(f"  {description.homepage}")
    lines.append("Name the folder that has them with --source, or work at the quick scale.")
    return "\n".join(lines)
