"""IDX, the format of MNIST and Fashion-MNIST: a header of sizes, then bytes; gzipped.

Format: http://yann.lecun.com/exdb/mnist/, "the IDX file format".
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from anyslice.config.dataset import Description
from anyslice.datasets.formats import Images
from anyslice.datasets.manifest import DataError

_UNSIGNED_BYTE = 0x08


def read_parts(description: Description, files: Mapping[str, Path]) -> tuple[Images, Images]:
    """Training and test images from the four files of (Fashion-)MNIST.

    Raises:
        DataError: if a file is damaged, or images and labels are not as many.
    """
    train, test = (
        _read_part(files[f"{part}-images-idx3-ubyte.gz"], files[f"{part}-labels-idx1-ubyte.gz"])
        for part in ("train", "t10k")
    )
    return train, test


def _read_part(image_file: Path, label_file: Path) -> Images:
    images, labels = read_idx(image_file), read_idx(label_file)
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise DataError(
            f"{image_file} has shape {images.shape} and {label_file} {labels.shape}; "
            "right would be (N, H, W) and (N,)"
        )
    return Images(torch.tensor(images)[..., None], torch.tensor(labels, dtype=torch.int64))


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """The array of unsigned bytes in a gzipped IDX file.

    Raises:
        DataError: if the file is cut short, no gzip, no IDX or not of unsigned bytes.
    """
    try:
        content = gzip.decompress(path.read_bytes())
        _, kind, dimensions = struct.unpack_from(">HBB", content)
        shape = struct.unpack_from(f">{dimensions}I", content, 4)
        if kind != _UNSIGNED_BYTE:
            raise DataError("its numbers are not unsigned bytes")
        return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
    except (EOFError, gzip.BadGzipFile, zlib.error, struct.error, ValueError) as error:
        raise DataError(f"{path} is damaged or no gzipped IDX file: {error}") from error


def encode_idx(array: npt.NDArray[np.uint8]) -> bytes:
    """The array as a gzipped IDX file without name or date: equal arrays give equal bytes."""
    header = struct.pack(f">HBB{array.ndim}I", 0, _UNSIGNED_BYTE, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes(), compresslevel=9, mtime=0)
