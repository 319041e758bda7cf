"""CUB-200-2011 in its true format: a tar file with tables of text."""

from dataclasses import replace

import pytest
from made import make, write_cub

from anyslice.datasets import DataError, open_dataset
from anyslice.datasets.manifest import read_index


def test_parts_and_labels_are_those_of_the_tables(tmp_path):
    output = make(write_cub(tmp_path), tmp_path, tmp_path / "out")
    files = read_index(output / "index.csv")
    assert [file.part for file in files] == ["train", "test"] * 6
    assert [file.label for file in files] == [0] * 4 + [1] * 4 + [2] * 4
    name = "003.Sooty_Albatross/Sooty_Albatross_0003_3.jpg"
    assert files[-1].path == f"CUB_200_2011/images/{name}"
    dataset = open_dataset(output)
    batch = next(iter(dataset.train_batches(seed=1, epoch=1, batch_size=4, device="cpu")))
    assert batch.images.shape == (4, 3, 16, 16)


def test_other_classes_are_named_and_nothing_is_left(tmp_path):
    description = replace(write_cub(tmp_path), classes=("Crow", "Laysan_Albatross", "Gull"))
    with pytest.raises(
        DataError, match=r"classes.txt and .* differ in \['001.Black.*', '001.Crow'"
    ):
        make(description, tmp_path, tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))
    assert not list(tmp_path.glob("out/.*"))
