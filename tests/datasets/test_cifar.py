"""CIFAR from its tar file, with pickles of Python 2, and from class folders: one data set."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from made import colour_images, make, write_cifar
from PIL import Image

from anyslice.datasets import DataError, open_dataset
from anyslice.datasets.formats.cifar import read_parts
from anyslice.datasets.prepare import prepare
from anyslice.datasets.sources import fetch


def read(description, folder):
    return read_parts(description, {name: folder / name for name in description.files})


@pytest.fixture(params=["cifar10", "cifar100"])
def description(request, tmp_path):
    """Of the tar file in tmp_path."""
    return write_cifar(request.param, tmp_path)


@pytest.fixture
def folders(description, tmp_path):
    """Class folders of PNG files, named in another order than that of the tar file."""
    for name, part in zip(("train", "test"), read(description, tmp_path), strict=True):
        for number, (image, label) in enumerate(zip(part.images, part.labels, strict=True)):
            place = tmp_path / "folders" / name / description.classes[label]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.numpy()).save(place / f"{1000 - number}.png")
    return tmp_path / "folders"


def prepared(description, source, output):
    prepare(description, fetch(description, source=source), output)
    return {path.name: path.read_bytes() for path in output.iterdir()}


def test_images_are_read_with_their_channels_and_labels(description, tmp_path):
    train, test = read(description, tmp_path)
    images = torch.cat([train.images, test.images])
    assert torch.equal(images, torch.from_numpy(colour_images(300).copy()))
    labels = [index % len(description.classes) for index in range(300)]
    assert torch.cat([train.labels, test.labels]).tolist() == labels


def test_every_source_gives_the_same_bytes(description, folders, tmp_path):
    """No manifest says where the images come from."""
    linked = tmp_path / "linked"
    linked.mkdir()
    for part in ("train", "test"):
        (linked / part).symlink_to(folders / part)
    places = {"tar": tmp_path, "folders": folders, "linked": linked}
    first, *rest = (prepared(description, p, tmp_path / f"out-{k}") for k, p in places.items())
    assert sorted(first) == ["manifest.json", "split.json", "test.safetensors", "train.safetensors"]
    assert all(other == first for other in rest)


def test_images_and_labels_stay_together(description, folders, tmp_path):
    prepared(description, folders, tmp_path / "out")
    dataset = open_dataset(tmp_path / "out")
    stored = [
        pair for part in ("train", "validation") for pair in zip(*dataset.stored(part), strict=True)
    ]
    expected = zip(*read(description, tmp_path)[0], strict=True)
    pairs = [sorted((i.numpy().tobytes(), int(y)) for i, y in some) for some in (expected, stored)]
    assert pairs[0] == pairs[1]


def test_cifar100_brings_its_20_coarse_labels(tmp_path):
    dataset = open_dataset(make(write_cifar("cifar100", tmp_path), tmp_path, tmp_path / "out"))
    fine, coarse = dataset.manifest.levels
    assert (len(fine), len(coarse)) == (100, 20)
    rocket = fine.index("rocket")
    assert coarse[dataset.manifest.level_labels[1][rocket]] == "vehicles_2"


def change_a_pixel(path):
    image = np.array(Image.open(path))
    image[0, 0, 0] ^= 1
    Image.fromarray(image).save(path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (change_a_pixel, "the test images are not those described: .* right would"),
        (
            lambda path: Image.open(path).resize((30, 32)).save(path),
            "is 30x32 pixels, but .*png is",
        ),
        (lambda path: shutil.rmtree(path.parents[1]), "or class folders in train/ and test/"),
    ],
)
def test_other_class_folders_are_refused(description, folders, tmp_path, spoil, message):
    spoil(next((folders / "test").rglob("*.png")))
    with pytest.raises(DataError, match=message):
        prepared(description, folders, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_another_tar_file_is_refused_before_it_is_opened(description, tmp_path):
    """Unpickling it could run any code."""
    (name,) = description.files
    (tmp_path / name).write_bytes(b"no tar file")
    with pytest.raises(DataError, match=f"{tmp_path / name} is damaged or another file"):
        prepared(description, tmp_path, tmp_path / "out")


def test_labels_without_a_class_are_refused(tmp_path):
    description = write_cifar("cifar10", tmp_path)
    fewer = replace(description, classes=description.classes[:9])
    with pytest.raises(DataError, match="names 9 classes, but the source has the label 9"):
        make(fewer, tmp_path, tmp_path / "out")
