"""index.csv of a data set of image files: every image with its part, label and checksum."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from anyslice.datasets.labelled import ImageFile
from anyslice.files import write_atomically

NAME = "index.csv"
_COLUMNS = ("part", "label", "sha256", "path")


def write_index(path: Path, files: Sequence[ImageFile], checksums: Sequence[str]) -> None:
    """Write the index.

    Args:
        path: of the file.
        files: the images; "train" has those for validation as well.
        checksums: the SHA-256 of each file.
    """
    with (
        write_atomically(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as out,
    ):
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for file, checksum in zip(files, checksums, strict=True):
            writer.writerow((file.part, file.label, checksum, file.path))


def read_index(path: Path) -> list[ImageFile]:
    """The images in the order in which they were written."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            ImageFile(row["part"], row["path"], int(row["label"])) for row in csv.DictReader(file)
        ]
