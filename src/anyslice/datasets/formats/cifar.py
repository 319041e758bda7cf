"""CIFAR-10 and CIFAR-100: pickled batches of rows in a tar file, or unpacked from it.

Format: https://www.cs.toronto.edu/~kriz/cifar.html, "Python version".
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from anyslice.config.dataset import Description
from anyslice.datasets.errors import DataError
from anyslice.datasets.formats.archives import open_tar, read_member
from anyslice.datasets.labelled import Images, check_labels

_ROW = (3, 32, 32)
"""A row holds the red, then the green, then the blue pixels, each from top left to bottom right."""


@dataclass(frozen=True)
class _Layout:
    """Names inside the archive."""

    folder: str
    train: tuple[str, ...]
    test: str
    meta: str
    labels: str
    names: str


_LAYOUTS = {
    "cifar-10": _Layout(
        folder="cifar-10-batches-py",
        train=tuple(f"data_batch_{number}" for number in range(1, 6)),
        test="test_batch",
        meta="batches.meta",
        labels="labels",
        names="label_names",
    ),
    "cifar-100": _Layout(
        folder="cifar-100-python",
        train=("train",),
        test="test",
        meta="meta",
        labels="fine_labels",
        names="fine_label_names",
    ),
}


def read_parts(description: Description, files: Mapping[str, Path]) -> tuple[Images, Images]:
    """Training and test images from the tar file of CIFAR-10 or CIFAR-100, or its unpacked folder.

    Raises:
        DataError: if a file is damaged, a pickle holds more than plain data, or the labels are not
            those of the description.
    """
    layout = _LAYOUTS[description.format]
    (source,) = files.values()
    with _open(source, layout.folder) as read:

        def batch(name: str) -> dict[str, Any]:
            return load_plain(read(name), f"{source}, {name}")

        meta = batch(layout.meta)
        train = [batch(name) for name in layout.train]
        test = batch(layout.test)
    if meta.get(layout.names) != list(description.classes):
        raise DataError(
            f"{source} names the classes {meta.get(layout.names)}; {description.path} says "
            f"{list(description.classes)}"
        )
    parts = (
        _images(train, layout.labels, description, source),
        _images([test], layout.labels, description, source),
    )
    if description.format == "cifar-100":
        _check_coarse(description, meta["coarse_label_names"], [*train, test], source)
    return parts


@contextmanager
def _open(source: Path, folder: str) -> Iterator[Callable[[str], bytes]]:
    """What reads a file of the given name, from the folder or from that folder in a tar file."""
    if source.is_dir():
        yield lambda name: _read(source / name)
    else:
        with open_tar(source) as tar:
            yield lambda name: read_member(tar, f"{folder}/{name}", source)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path} is missing") from None


def _images(
    batches: list[dict[str, Any]], key: str, description: Description, source: Path
) -> Images:
    for batch in batches:
        if not {"data", key} <= batch.keys():
            raise DataError(f"{source}: a batch lacks 'data' or {key!r}; it has {list(batch)}")
    rows = np.concatenate([batch["data"] for batch in batches])
    labels = [label for batch in batches for label in batch[key]]
    if rows.dtype != np.uint8 or rows.shape != (len(labels), int(np.prod(_ROW))):
        raise DataError(
            f"{source} holds rows of shape {rows.shape} and type {rows.dtype} for {len(labels)} "
            f"labels; right would be bytes of shape ({len(labels)}, {np.prod(_ROW)})"
        )
    check_labels(labels, len(description.classes), str(source))
    images = torch.from_numpy(rows.reshape(-1, *_ROW)).permute(0, 2, 3, 1).contiguous()
    return Images(images, torch.tensor(labels))


def _check_coarse(
    description: Description, names: list[str], batches: list[dict[str, Any]], source: Path
) -> None:
    """Compare the coarse label of every image with the description's level."""
    if set(names) != set(description.levels[0]):
        unknown = sorted(set(names) ^ set(description.levels[0]))
        raise DataError(f"{source} and {description.path} differ in the coarse labels {unknown}")
    described = {
        member: names.index(label)
        for label, members in description.levels[0].items()
        for member in members
    }
    for batch in batches:
        for fine, coarse in zip(batch["fine_labels"], batch["coarse_labels"], strict=True):
            name = description.classes[fine]
            if described[name] != coarse:
                raise DataError(
                    f"{source} gives {name} the coarse label {names[coarse]}; "
                    f"{description.path} says {names[described[name]]}"
                )


def load_plain(content: bytes, where: str) -> dict[str, Any]:
    """Unpickle a dictionary of lists, strings, numbers and numpy arrays, and nothing else.

    Args:
        content: a pickle, of Python 2 as published or of any later Python and NumPy.
        where: the file, for messages.

    Raises:
        DataError: if the pickle is damaged or asks for any other class or function.
    """
    try:
        value = _PlainUnpickler(io.BytesIO(content), encoding="latin1").load()
    except Exception as error:
        raise DataError(f"{where} was not unpickled: {error}") from error
    if not isinstance(value, dict):
        raise DataError(f"{where} holds a {type(value).__name__} where a dictionary belongs")
    return value


def _encode(text: str, encoding: str) -> bytes:
    """Bytes as Python 3 writes them for Python 2; any other use of codecs.encode is refused."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding}")
    return text.encode("latin1")


def _scalar(dtype: np.dtype[Any], content: bytes) -> Any:
    """A number of NumPy; of objects, which could be anything, `frombuffer` makes none."""
    return np.frombuffer(content, dtype)[0].item()


def _frombuffer(
    content: bytes, dtype: np.dtype[Any], shape: tuple[int, ...], order: Literal["C", "F"]
) -> Any:
    """An array as pickle's protocol 5 writes it."""
    return np.frombuffer(content, dtype).reshape(shape, order=order)


_PARTS: dict[tuple[str, str], Any] = {
    ("multiarray", "_reconstruct"): np.ndarray(0).__reduce__()[0],
    ("multiarray", "scalar"): _scalar,
    ("numeric", "_frombuffer"): _frombuffer,
}
_ALLOWED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encode,
} | {
    (f"numpy.{core}.{module}", name): value
    for core in ("core", "_core")  # before NumPy 2 and since
    for (module, name), value in _PARTS.items()
}


class _PlainUnpickler(pickle.Unpickler):
    """Refuses every global but those that a numpy array is rebuilt from."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it asks for {module}.{name}, which no data needs; the file is not CIFAR's"
            ) from None
