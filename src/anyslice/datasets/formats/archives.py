"""Opening archives without trusting what is in them."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from anyslice.datasets.errors import DataError


@contextmanager
def open_tar(path: Path, content: IO[bytes] | None = None) -> Iterator[tarfile.TarFile]:
    """A tar file, compressed or not.

    Args:
        path: of the file, for opening it and for messages.
        content: what to read instead of the file, for an archive inside another.

    Raises:
        DataError: if, on opening it or while it is read, it turns out to be damaged.
    """
    try:
        with tarfile.open(path, fileobj=content) as tar:
            yield tar
    except tarfile.FilterError as error:
        raise DataError(
            f"{path}: refused to unpack {error.tarinfo.name!r}, which would be written outside of "
            f"the folder for it or is no plain file: {error}"
        ) from error
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's fault, not the archive's
        raise DataError(f"{path} is damaged or no tar file: {error}") from error


def unpack(tar: tarfile.TarFile, folder: Path, below: str = "") -> None:
    """Unpack the members whose names begin with `below`; one that is refused ends it all.

    Python's "data" filter refuses paths and links that lead out of the folder, and devices.

    Raises:
        tarfile.FilterError: if a member is refused; open_tar makes a DataError of it.
    """
    for member in tar:
        tarfile.data_filter(member, str(folder))
        if member.name.startswith(below):
            tar.extract(member, folder, filter="data")


def read_member(tar: tarfile.TarFile, name: str, archive: Path) -> bytes:
    """The content of a file in an archive.

    Raises:
        DataError: if there is none of that name.
    """
    try:
        file = tar.extractfile(name)
    except KeyError:
        file = None
    if file is None:
        raise DataError(f"{archive} has no file {name}")
    return file.read()
