"""Data sets: from their sources to verified tensors, and from those to batches."""

from anyslice.datasets.dataset import Batch, Dataset, Padding
from anyslice.datasets.errors import DataError
from anyslice.datasets.opening import open_dataset

__all__ = ["Batch", "DataError", "Dataset", "Padding", "open_dataset"]
