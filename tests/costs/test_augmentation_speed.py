"""Batched augmentation against torchvision's, image by image."""

from pathlib import Path

import pytest

from anyslice.config.dataset import load_description
from anyslice.costs.augmentation_speed import compare_augmentation
from anyslice.datasets import open_dataset
from anyslice.datasets.prepare import prepare
from anyslice.datasets.sources import fetch


@pytest.mark.perf
def test_batches_are_augmented_20_times_as_fast_as_single_images_by_2_workers(root, tmp_path):
    description = load_description("fashion-mnist-quick", root / "params/datasets")
    files = fetch(description, source=root / Path("data/embedded/fashion-mnist"))
    prepare(description, files, tmp_path)
    speed = compare_augmentation(open_dataset(tmp_path), workers=2, epochs=1)
    assert speed.ratio > 20
