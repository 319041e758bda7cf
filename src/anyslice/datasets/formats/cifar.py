"""CIFAR-10 and CIFAR-100: pickled batches of rows in a tar file.

Format: https://www.cs.toronto.edu/~kriz/cifar.html, "Python version". Unpickling runs whatever
code a pickle asks for: these are opened only after the tar file's checksum was found right.
"""

from __future__ import annotations

import pickle
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import torch

from anyslice.config.dataset import Description
from anyslice.datasets.formats import Images

_BATCHES = {
    "cifar-10": [f"cifar-10-batches-py/data_batch_{number}" for number in range(1, 6)]
    + ["cifar-10-batches-py/test_batch"],
    "cifar-100": ["cifar-100-python/train", "cifar-100-python/test"],
}
"""Files in the archive; the last has the test images."""

_LABELS = {"cifar-10": "labels", "cifar-100": "fine_labels"}


def read_parts(description: Description, files: Mapping[str, Path]) -> tuple[Images, Images]:
    """Training and test images from the verified tar file of CIFAR-10 or CIFAR-100."""
    (archive,) = files.values()
    labels = _LABELS[description.format]
    with tarfile.open(archive) as tar:
        *train, test = (_load(tar, name) for name in _BATCHES[description.format])
    return _images(train, labels), _images([test], labels)


def _load(tar: tarfile.TarFile, name: str) -> dict[str, Any]:
    batch: dict[str, Any] = pickle.load(cast(IO[bytes], tar.extractfile(name)), encoding="latin1")
    return batch


def _images(batches: list[dict[str, Any]], labels: str) -> Images:
    """A row holds the red, then the green, then the blue pixels, each from top left."""
    rows = torch.from_numpy(np.concatenate([batch["data"] for batch in batches]))
    images = rows.view(-1, 3, 32, 32).permute(0, 2, 3, 1).contiguous()
    return Images(images, torch.tensor([label for batch in batches for label in batch[labels]]))
