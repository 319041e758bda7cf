"""IDX, the format of MNIST and Fashion-MNIST: a header of sizes, then bytes; gzipped.

Format: http://yann.lecun.com/exdb/mnist/, "the IDX file format".
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from anyslice.config.dataset import Description
from anyslice.datasets.errors import DataError
from anyslice.datasets.labelled import Images, check_labels

_UNSIGNED_BYTE = 0x08


def read_parts(description: Description, files: Mapping[str, Path]) -> tuple[Images, Images]:
    """Training and test images from the four files of (Fashion-)MNIST.

    Raises:
        DataError: if a file is damaged, images and labels are not as many, or a label is out of
            range.
    """
    train, test = (
        _read_part(
            files[f"{part}-images-idx3-ubyte.gz"],
            files[f"{part}-labels-idx1-ubyte.gz"],
            len(description.classes),
        )
        for part in ("train", "t10k")
    )
    return train, test


def _read_part(image_file: Path, label_file: Path, classes: int) -> Images:
    images, labels = read_idx(image_file), read_idx(label_file)
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise DataError(
            f"{image_file} has shape {images.shape} and {label_file} {labels.shape}; "
            "right would be (N, H, W) and (N,)"
        )
    check_labels(labels.tolist(), classes, str(label_file))
    return Images(
        torch.from_numpy(images.copy())[..., None], torch.from_numpy(labels.astype(np.int64))
    )


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """The array of unsigned bytes in a gzipped IDX file.

    Raises:
        DataError: if the file is cut short, no gzip, no IDX or not of unsigned bytes.
    """
    try:
        content = gzip.decompress(path.read_bytes())
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged or no gzip file: {error}") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != _UNSIGNED_BYTE:
        raise DataError(f"{path} is not an IDX file of unsigned bytes")
    dimensions = content[3]
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise DataError(f"{path} ends inside its header")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    if len(content) - start != math.prod(shape):
        raise DataError(
            f"{path} promises {math.prod(shape)} bytes of shape {shape}, "
            f"but holds {len(content) - start}"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def encode_idx(array: npt.NDArray[np.uint8]) -> bytes:
    """The array as a gzipped IDX file without name or date: equal arrays give equal bytes."""
    header = struct.pack(f">HBB{array.ndim}I", 0, _UNSIGNED_BYTE, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes(), compresslevel=9, mtime=0)
