"""index.csv of a data set of image files: every image with its part, label and checksum."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from anyslice.datasets.errors import DataError
from anyslice.datasets.labelled import ImageFile
from anyslice.datasets.manifest import read_manifest
from anyslice.files import write_atomically

NAME = "index.csv"
_COLUMNS = ("part", "label", "sha256", "path")


def write_index(path: Path, root: Path, files: Sequence[ImageFile]) -> None:
    """Read every image file once, and write the index.

    Raises:
        DataError: naming the first file that is missing or no image.
    """
    with (
        write_atomically(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as out,
    ):
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for file in tqdm(files, desc="checksums", unit="image", mininterval=1):
            writer.writerow((file.part, file.label, _checksum(root / file.path), file.path))


def read_index(path: Path) -> list[ImageFile]:
    """The images in the order in which they were written."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            ImageFile(row["part"], row["path"], int(row["label"])) for row in csv.DictReader(file)
        ]


def verify_images(folder: Path) -> int:
    """Compare every image file of a prepared data set with the checksum in its index.

    Returns:
        How many there are.

    Raises:
        DataError: naming the first file that has changed.
    """
    root = folder / (read_manifest(folder).images or "")
    with (folder / NAME).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in tqdm(rows, desc="checksums", unit="image", mininterval=1):
        if _checksum(root / row["path"]) != row["sha256"]:
            raise DataError(f"{root / row['path']} has changed since it was prepared")
    return len(rows)


def _checksum(path: Path) -> str:
    """SHA-256 of a file that begins as an image does."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            Image.open(file)
            return digest
    except FileNotFoundError:
        raise DataError(f"{path} is missing") from None
    except (UnidentifiedImageError, SyntaxError, OSError) as error:
        raise DataError(f"{path} is not an image that can be read: {error}") from error
