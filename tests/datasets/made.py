"""Real images, and files in the true formats of the data sets made from them."""

from __future__ import annotations

import functools
import io
import pickle
import struct
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import scipy.io
from PIL import Image

from anyslice.config.dataset import Counts, Description, load_description
from anyslice.datasets.formats.idx import read_idx
from anyslice.datasets.prepare import assemble_tensors, prepare
from anyslice.files import sha256

ROOT = Path(__file__).parents[2]
EMBEDDED = ROOT / "data/embedded/fashion-mnist"


@functools.cache
def fashion() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """The embedded test images (2000, 28, 28) of Fashion-MNIST and their labels."""
    return (
        read_idx(EMBEDDED / "t10k-images-idx3-ubyte.gz"),
        read_idx(EMBEDDED / "t10k-labels-idx1-ubyte.gz"),
    )


def colour_images(count: int, size: int = 32) -> npt.NDArray[np.uint8]:
    """Real images (count, size, size, 3) whose channels differ."""
    grey = fashion()[0][: 3 * count].reshape(count, 3, 28, 28)
    images = [Image.fromarray(image.transpose(1, 2, 0)).resize((size, size)) for image in grey]
    return np.stack([np.asarray(image) for image in images])


def jpeg(index: int, mode: str = "RGB", size: tuple[int, int] = (48, 40)) -> bytes:
    """A real image as the bytes of a JPEG file."""
    buffer = io.BytesIO()
    image = Image.fromarray(fashion()[0][index]).convert(mode).resize(size)
    image.save(buffer, format="JPEG", quality=95)
    return buffer.getvalue()


def describe(name: str) -> Description:
    return load_description(name, ROOT / "params/datasets")


def with_files(description: Description, folder: Path, **changes: Any) -> Description:
    """The description of files that a test has made: their checksums, and what else it says."""
    files = {name: (f"sha256:{sha256(folder / name)}",) for name in description.files}
    return replace(description, **{"files": files, "content": None} | changes)


def make(description: Description, folder: Path, output: Path) -> Path:
    """Prepare a data set from the files in a folder; give where it is."""
    prepare(description, {name: folder / name for name in description.files}, output)
    return output


class Python2Pickler(pickle._Pickler):
    """Writes what Python 2 and its numpy wrote: byte strings, and numpy's names of that time."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_text(self, value: str | bytes) -> None:
        content = value.encode("latin1") if isinstance(value, str) else value
        self.write(pickle.BINSTRING + struct.pack("<i", len(content)) + content)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_text

    def save_global(self, obj: Any, name: str | None = None) -> None:
        module = obj.__module__.replace("numpy._core", "numpy.core")
        self.write(pickle.GLOBAL + f"{module}\n{name or obj.__qualname__}\n".encode())
        self.memoize(obj)


def python2_pickle(value: Any) -> bytes:
    buffer = io.BytesIO()
    Python2Pickler(buffer, protocol=2).dump(value)
    return buffer.getvalue()


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def write_cifar(kind: str, folder: Path) -> Description:
    """The tar file of "cifar10" or "cifar100" with 200 training images and 100 test images."""
    description = describe(kind)
    images, classes = colour_images(300), len(description.classes)
    ten = kind == "cifar10"
    inner = "cifar-10-batches-py" if ten else "cifar-100-python"
    trains = [f"data_batch_{n}" for n in range(1, 6)] if ten else ["train"]
    bounds = [*range(0, 201, 200 // len(trains)), 300]
    (name,) = description.files
    with tarfile.open(folder / name, "w:gz") as tar:
        names = [*trains, "test_batch" if ten else "test"]
        for batch, start, end in zip(names, bounds[:-1], bounds[1:], strict=True):
            value = {
                "data": images[start:end].transpose(0, 3, 1, 2).reshape(end - start, -1),
                "labels" if ten else "fine_labels": [i % classes for i in range(start, end)],
                "batch_label": batch,
            }
            add(tar, f"{inner}/{batch}", python2_pickle(value))
    counts = Counts(150, 50, 100)
    return measured(with_files(description, folder, counts=counts), folder)


def measured(description: Description, folder: Path) -> Description:
    """With the mean, deviation and content of the images in source files."""
    *_, found = assemble_tensors(description, {name: folder / name for name in description.files})
    return replace(description, content=found.content, **found.statistics)


WNIDS = ("n01440764", "n01443537", "n02123045")
"""Tench, goldfish and tabby, in the order of the labels."""

ILSVRC_IDS = (3, 1, 2)
"""Their numbers in the development kit, which counts in another order."""


def write_ilsvrc(folder: Path, truth: tuple[int, ...] = (3, 1, 2, 3, 1, 2)) -> Description:
    """The three files of ILSVRC 2012 with 3 classes, 4 training images each, 6 for validation."""
    with tarfile.open(folder / "ILSVRC2012_img_train.tar", "w") as outer:
        for label, wnid in enumerate(WNIDS):
            buffer = io.BytesIO()
            with tarfile.open(fileobj=buffer, mode="w") as inner:
                for number, mode in enumerate(("RGB", "RGB", "L", "CMYK")):
                    add(inner, f"{wnid}_{number}.JPEG", jpeg(4 * label + number, mode))
            add(outer, f"{wnid}.tar", buffer.getvalue())
    with tarfile.open(folder / "ILSVRC2012_img_val.tar", "w") as tar:
        for number in range(1, 7):
            add(tar, f"ILSVRC2012_val_{number:08}.JPEG", jpeg(20 + number))
    with tarfile.open(folder / "ILSVRC2012_devkit_t12.tar.gz", "w:gz") as tar:
        base = "ILSVRC2012_devkit_t12/data"
        add(tar, f"{base}/meta.mat", _meta_mat())
        text = "".join(f"{number}\n" for number in truth)
        add(tar, f"{base}/ILSVRC2012_validation_ground_truth.txt", text.encode())
    return with_files(
        describe("imagenet"),
        folder,
        class_ids=WNIDS,
        classes=("tench", "goldfish", "tabby"),
        counts=Counts(9, 3, 6),
        image_size=16,
        mean=(0.25, 0.25, 0.25),
        std=(0.25, 0.25, 0.25),
    )


def _meta_mat() -> bytes:
    """meta.mat: the classes, and the nodes above them, which have no images."""
    fields = ["ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children"]
    rows = [(n, w, w, "", 0, []) for n, w in sorted(zip(ILSVRC_IDS, WNIDS, strict=True))]
    rows.append((4, "n00015388", "animal, animate being", "", 3, [1, 2, 3]))
    synsets = np.array([tuple(np.array(v) for v in row) for row in rows], dtype=object)
    table = np.empty((len(rows), 1), dtype=[(field, object) for field in fields])
    for row, values in enumerate(synsets):
        table[row, 0] = tuple(values)
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {"synsets": table})
    return buffer.getvalue()


def write_cub(folder: Path) -> Description:
    """CUB_200_2011.tgz with 4 images of each of 3 classes."""
    description = describe("cub")
    names = [f"{number:03}.{name}" for number, name in enumerate(description.classes[:3], 1)]
    paths = [f"{name}/{name[4:]}_{n:04}_{n}.jpg" for name in names for n in range(4)]
    texts = {
        "classes": "".join(f"{n} {name}\n" for n, name in enumerate(names, 1)),
        "images": "".join(f"{n} {path}\n" for n, path in enumerate(paths, 1)),
        "image_class_labels": "".join(f"{n} {(n - 1) // 4 + 1}\n" for n in range(1, 13)),
        "train_test_split": "".join(f"{n} {n % 2}\n" for n in range(1, 13)),
    }
    with tarfile.open(folder / "CUB_200_2011.tgz", "w:gz") as tar:
        add(tar, "attributes.txt", b"1 has_bill_shape::curved\n")
        for name, text in texts.items():
            add(tar, f"CUB_200_2011/{name}.txt", text.encode())
        for index, path in enumerate(paths):
            add(tar, f"CUB_200_2011/images/{path}", jpeg(100 + index))
    return with_files(
        description,
        folder,
        classes=description.classes[:3],
        counts=Counts(4, 2, 6),
        image_size=16,
        mean=(0.25, 0.25, 0.25),
        std=(0.25, 0.25, 0.25),
    )
