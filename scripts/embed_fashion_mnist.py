"""The part of Fashion-MNIST that is kept in the repository, cut from the whole.

python scripts/embed_fashion_mnist.py /usr/share/datasets/fashion-mnist data/embedded/fashion-mnist
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from anyslice.datasets import DataError
from anyslice.datasets.formats.idx import encode_idx, read_idx
from anyslice.files import sha256, write_atomically, write_text

IMAGES_PER_CLASS = {"train": 1000, "t10k": 200}
"""Of each class the first so many images of a part are kept, in their original order."""


def embed(source: Path, licence: Path, output: Path) -> None:
    """Write the cut files, their licence and SHA256SUMS to a folder.

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
    sums = "".join(f"{sha256(output / name)}  {name}\n" for name in [*names, "LICENSE"])
    write_text(output / "SHA256SUMS", sums)


def _first_of_each_class(labels: npt.NDArray[np.uint8], count: int) -> npt.NDArray[np.intp]:
    """Indices of the first `count` items of each class, in increasing order."""
    each = [np.flatnonzero(labels == label)[:count] for label in np.unique(labels)]
    return np.sort(np.concatenate(each))


def _write(path: Path, array: npt.NDArray[np.uint8]) -> None:
    with write_atomically(path) as temporary:
        temporary.write_bytes(encode_idx(array))


@click.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("output", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--licence",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    default=Path("/usr/share/doc/dataset-fashion-mnist/copyright"),
    show_default=True,
    help="File with the licence.",
)
def main(source: Path, output: Path, licence: Path) -> None:
    """Keep the first images of each class of the four IDX files in SOURCE in the folder OUTPUT."""
    embed(source, licence, output)


if __name__ == "__main__":
    main()
