"""Opening a prepared data set."""

from __future__ import annotations

from pathlib import Path

from anyslice.datasets.manifest import read_manifest
from anyslice.datasets.streaming import FileDataset
from anyslice.datasets.tensors import TensorDataset


def open_dataset(folder: Path, workers: int = 0) -> TensorDataset | FileDataset:
    """The data set prepared in a folder, its files verified against the manifest.

    Args:
        folder: data/<name>.
        workers: processes that decode images, where those are files; 0 decodes in this one.

    Raises:
        DataError: if it is not there or not as it was prepared.
    """
    manifest = read_manifest(folder)
    if manifest.storage == "tensor":
        return TensorDataset(folder, manifest)
    return FileDataset(folder, manifest, workers)
