"""The part of Fashion-MNIST that is kept in the repository, cut from the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from anyslice.datasets.errors import DataError
from anyslice.datasets.formats.idx import encode_idx, read_idx
from anyslice.files import sha256, write_atomically, write_text

IMAGES_PER_CLASS = {"train": 1000, "t10k": 200}
"""Of each class the first so many images of a part are kept, in their original order."""

_README = """\
# Fashion-MNIST, 10,000 training and 2,000 test images

The first 1,000 training and 200 test images of each class of Fashion-MNIST, unchanged and in their
original order, in its own format (gzipped IDX, 28x28 grey levels). Made by

    anyslice data embed --source /usr/share/datasets/fashion-mnist

from Debian's package dataset-fashion-mnist. `sha256sum --check SHA256SUMS` verifies the files.
The licence (MIT) is in LICENSE.
"""


def embed(source: Path, licence: Path, output: Path) -> None:
    """Write the cut files, their licence, a README and SHA256SUMS to a folder.

    Args:
        source: the folder of the four whole IDX files.
        licence: the file with the licence's text.
        output: the folder to write to.

    Raises:
        DataError: if a file is missing or damaged.
    """
    names = []
    for part, per_class in IMAGES_PER_CLASS.items():
        image_name, label_name = f"{part}-images-idx3-ubyte.gz", f"{part}-labels-idx1-ubyte.gz"
        for path in (source / image_name, source / label_name):
            if not path.is_file():
                raise DataError(f"{path} is missing; Debian's dataset-fashion-mnist has it")
        labels = read_idx(source / label_name)
        chosen = _first_of_each_class(labels, per_class)
        _write(output / image_name, read_idx(source / image_name)[chosen])
        _write(output / label_name, labels[chosen])
        names += [image_name, label_name]
    write_text(output / "LICENSE", licence.read_text(encoding="utf-8"))
    write_text(output / "README.md", _README)
    sums = "".join(f"{sha256(output / name)}  {name}\n" for name in [*names, "LICENSE"])
    write_text(output / "SHA256SUMS", sums)


def _first_of_each_class(labels: npt.NDArray[np.uint8], count: int) -> npt.NDArray[np.intp]:
    """Indices of the first `count` items of each class, in increasing order."""
    each = [np.flatnonzero(labels == label)[:count] for label in np.unique(labels)]
    return np.sort(np.concatenate(each))


def _write(path: Path, array: npt.NDArray[np.uint8]) -> None:
    with write_atomically(path) as temporary:
        temporary.write_bytes(encode_idx(array))
