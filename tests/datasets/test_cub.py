"""CUB-200-2011 in its true format: a tar file with tables of text."""

import pytest
from made import make, write_cub

from anyslice.datasets import DataError, open_dataset
from anyslice.datasets.index import read_index


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


def table(*rows):
    return "".join(f"{n} {row}\n" for n, row in enumerate(rows, 1))


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (
            {"image_class_labels": table(*[1] * 11, 4)},
            "image_class_labels.txt: image 12 has the value 4, which is not one of 1 to 3",
        ),
        ({"train_test_split": table(*[0] * 11, 2)}, "train_test_split.txt: image 12 .* 0 to 1"),
        ({"train_test_split": table(*[1] * 12)}, "has 12 images for train"),
        ({"image_class_labels": table(*[1] * 11)}, "number different images"),
        ({"images": table(*["../../evil.jpg"] * 12)}, "images.txt names '../../evil.jpg'"),
        ({"images": "one two\n"}, "images.txt, line 1: 'one two' is no new number and a value"),
        ({"images": table(*["002.Laysan_Albatross/none.jpg"] * 12)}, "none.jpg is missing"),
        ({"classes": table("001.Crow", "002.Crow", "003.Crow")}, "classes.txt and .* differ in"),
    ],
)
def test_a_wrong_table_is_named_and_nothing_is_left(tmp_path, tables, message):
    description = write_cub(tmp_path, **tables)
    with pytest.raises(DataError, match=message):
        make(description, tmp_path, tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))
    assert not list(tmp_path.glob("out/.*"))


def test_an_archive_that_would_write_outside_is_refused(tmp_path):
    description = write_cub(tmp_path, evil="../../evil.jpg")
    with pytest.raises(DataError, match=r"CUB_200_2011.tgz: refused to unpack '../../evil.jpg'"):
        make(description, tmp_path, tmp_path / "out")
    assert not list(tmp_path.rglob("evil*"))
