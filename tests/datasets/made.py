"""Real images, and files in the true formats of the data sets made from them."""

from __future__ import annotations

import functools
import http.server
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
import torch
from PIL import Image

from anyslice.config.dataset import Counts, Description, load_description
from anyslice.datasets.assemble import measure
from anyslice.datasets.checksums import file_checksums
from anyslice.datasets.content import canonical_order, digests
from anyslice.datasets.formats.idx import read_idx
from anyslice.datasets.labelled import Images
from anyslice.datasets.prepare import prepare
from anyslice.datasets.splits import draw

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
    files = {n: tuple(file_checksums(folder / n, ()).values()) for n in description.files}
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


def cifar_rows(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return images.transpose(0, 3, 1, 2).reshape(len(images), -1)


def statistics(
    images: npt.NDArray[np.uint8], labels: list[int], counts: Counts
) -> dict[str, tuple[float, ...]]:
    """Mean and deviation of the training images that are not held out, in the canonical order."""
    total = counts.train + counts.validation
    part = Images(torch.from_numpy(images[:total]), torch.tensor(labels[:total]))
    order = canonical_order(digests(part, max(labels) + 1))
    held_out = draw(total, counts.validation, seed=2018)
    return measure(part.images.numpy()[np.delete(order.numpy(), held_out)])


def write_cifar10(folder: Path, **meta: Any) -> Description:
    """cifar-10-python.tar.gz with 5 batches of 20 images and 20 test images."""
    description = describe("cifar10")
    images, labels = colour_images(120), [index % 10 for index in range(120)]
    batches = [f"data_batch_{n}" for n in range(1, 6)] + ["test_batch"]
    with tarfile.open(folder / "cifar-10-python.tar.gz", "w:gz") as tar:
        for number, name in enumerate(batches):
            part = slice(20 * number, 20 * number + 20)
            batch = {"data": cifar_rows(images[part]), "labels": labels[part], "batch_label": name}
            add(tar, f"cifar-10-batches-py/{name}", python2_pickle(batch | meta))
        names = {"label_names": list(description.classes)}
        add(tar, "cifar-10-batches-py/batches.meta", python2_pickle(names))
    counts = Counts(80, 20, 20)
    return with_files(description, folder, counts=counts, **statistics(images, labels, counts))


def write_cifar100(folder: Path, shift: int = 0) -> Description:
    """cifar-100-python.tar.gz with 200 training and 100 test images; `shift` makes it wrong."""
    description = describe("cifar100")
    level = description.levels[0]
    coarse = {name: c for c, members in enumerate(level.values()) for name in members}
    images, labels = colour_images(300), [index % 100 for index in range(300)]
    with tarfile.open(folder / "cifar-100-python.tar.gz", "w:gz") as tar:
        for name, part in (("train", slice(200)), ("test", slice(200, 300))):
            fine = labels[part]
            batch = {
                "data": cifar_rows(images[part]),
                "fine_labels": fine,
                "coarse_labels": [(coarse[description.classes[f]] + shift) % 20 for f in fine],
            }
            add(tar, f"cifar-100-python/{name}", python2_pickle(batch))
        names = {
            "fine_label_names": list(description.classes),
            "coarse_label_names": list(level),
        }
        add(tar, "cifar-100-python/meta", python2_pickle(names))
    counts = Counts(150, 50, 100)
    return with_files(description, folder, counts=counts, **statistics(images, labels, counts))


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
    fields = ["ILSVRC2012_ID", "WNID", "words", "num_children", "children", "num_train_images"]
    rows = [(n, w, w, 0, [], 4) for n, w in sorted(zip(ILSVRC_IDS, WNIDS, strict=True))]
    rows.append((4, "n00015388", "animal, animate being", 3, [1, 2, 3], 0))
    synsets = np.array([tuple(np.array(v) for v in row) for row in rows], dtype=object)
    table = np.empty((len(rows), 1), dtype=[(field, object) for field in fields])
    for row, values in enumerate(synsets):
        table[row, 0] = tuple(values)
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {"synsets": table})
    return buffer.getvalue()


def write_cub(folder: Path, evil: str | None = None, **tables: str) -> Description:
    """CUB_200_2011.tgz with 2 images of each of 3 classes; `tables` replaces texts."""
    description = describe("cub")
    names = [f"{number:03}.{name}" for number, name in enumerate(description.classes[:3], 1)]
    paths = [f"{name}/{name[4:]}_{n:04}_{n}.jpg" for name in names for n in range(4)]
    texts = {
        "classes": "".join(f"{n} {name}\n" for n, name in enumerate(names, 1)),
        "images": "".join(f"{n} {path}\n" for n, path in enumerate(paths, 1)),
        "image_class_labels": "".join(f"{n} {(n - 1) // 4 + 1}\n" for n in range(1, 13)),
        "train_test_split": "".join(f"{n} {n % 2}\n" for n in range(1, 13)),
    } | tables
    with tarfile.open(folder / "CUB_200_2011.tgz", "w:gz") as tar:
        add(tar, "attributes.txt", b"1 has_bill_shape::curved\n")
        for name, text in texts.items():
            add(tar, f"CUB_200_2011/{name}.txt", text.encode())
        for index, path in enumerate(paths):
            add(tar, f"CUB_200_2011/images/{path}", jpeg(100 + index))
        if evil:
            add(tar, evil, b"evil")
    return with_files(
        description,
        folder,
        classes=description.classes[:3],
        counts=Counts(4, 2, 6),
        image_size=16,
        mean=(0.25, 0.25, 0.25),
        std=(0.25, 0.25, 0.25),
    )


class RangeHandler(http.server.BaseHTTPRequestHandler):
    """Serves one file; answers ranges, unless told not to, and can break off."""

    content = b""
    ranges = True
    break_after: int | None = None
    requests: ClassVar[list[str | None]] = []
    headers_sent: ClassVar[dict[str, str]] = {}

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        type(self).requests.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        if start and start >= len(self.content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.content) - start))
        for name, value in self.headers_sent.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.content[start : self.break_after])

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""
