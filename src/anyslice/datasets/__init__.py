"""Data sets: from their sources to verified tensors, and from those to batches."""

from pathlib import Path

from anyslice.datasets.dataset import Augmentation, Batch, Dataset
from anyslice.datasets.manifest import DataError, read_manifest
from anyslice.datasets.streaming import FileDataset
from anyslice.datasets.tensors import TensorDataset

__all__ = ["Augmentation", "Batch", "DataError", "Dataset", "open_dataset"]


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
