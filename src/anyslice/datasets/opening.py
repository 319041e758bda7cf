"""Opening a prepared data set."""

from __future__ import annotations

from pathlib import Path

from anyslice.datasets.dataset import Dataset
from anyslice.datasets.manifest import read_manifest
from anyslice.datasets.tensors import TensorDataset


def open_dataset(folder: Path) -> Dataset:
    """The data set prepared in a folder, its files verified against the manifest.

    Raises:
        DataError: if it is not there or not as it was prepared.
    """
    return TensorDataset(folder, read_manifest(folder))
