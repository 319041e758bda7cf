"""Data sets: from their sources to verified tensors, and from those to batches."""

from anyslice.datasets.dataset import Augmentation, Batch, Dataset
from anyslice.datasets.errors import DataError
from anyslice.datasets.opening import open_dataset

__all__ = ["Augmentation", "Batch", "DataError", "Dataset", "open_dataset"]
