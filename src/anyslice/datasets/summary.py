"""A data set in words: what it is, its licence, counts and checksums, and whether it is here."""

from __future__ import annotations

from pathlib import Path

from anyslice.config.dataset import Description
from anyslice.datasets.manifest import NAME, DataError, Manifest, read_manifest
from anyslice.datasets.prepare import refuse_other_description


def summarise(description: Description, folder: Path) -> str:
    """The lines that `anyslice data show` prints.

    Args:
        description: of the data set.
        folder: where it is, or would be, prepared; what is there is verified.

    Raises:
        DataError: if it is prepared, but not as its manifest says.
    """
    counts = description.counts
    size, channels = description.image_size, description.image_channels
    levels = [len(description.classes), *(len(level) for level in description.levels)]
    rows = {
        "Data set": f"{description.title} ({description.name})",
        "Home": description.homepage,
        "Citation": description.citation,
        "Licence": description.licence,
        "Terms": description.terms,
        "Images": f"{counts.train} training, {counts.validation} validation, {counts.test} test",
        "Size": f"{size}x{size}, {'grey' if channels == 1 else 'colour'}, kept as "
        + ("one tensor on the training device" if description.storage == "tensor" else "files"),
        "Mean": ", ".join(f"{value:.4f}" for value in description.mean),
        "Deviation": ", ".join(f"{value:.4f}" for value in description.std),
        "Labels": " / ".join(map(str, levels)) + (" from fine to coarse" if levels[1:] else ""),
    }
    lines = [f"{key + ':':11}{value}" for key, value in rows.items() if value]
    lines += ["Sources:", *(f"  {place}" for place in _places(description))]
    for name, checksums in description.files.items():
        lines += [f"  {name}", *(f"    {checksum}" for checksum in checksums)]
    if not (folder / NAME).is_file():
        return "\n".join([*lines, f"Prepared:  no; run `anyslice data prepare {description.name}`"])
    manifest = read_manifest(folder)
    try:
        refuse_other_description(description, manifest)
    except DataError as error:
        return "\n".join([*lines, f"Prepared:  in {folder}, but {error}"])
    return "\n".join([*lines, *_prepared(manifest, folder)])


def _places(description: Description) -> list[str]:
    places = []
    for source in description.sources:
        package = f" (system package {source.package})" if source.package else ""
        places += [f"{source.folder}{package}"] if source.folder else []
        places += [source.address] if source.address else []
    return places or ["a folder that you name, after agreeing to the terms"]


def _prepared(manifest: Manifest, folder: Path) -> list[str]:
    lines = [f"Prepared:  in {folder}, verified"]
    return lines + [f"  sha256:{digest}  {name}" for name, digest in manifest.files.items()]
