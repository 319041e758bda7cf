"""CIFAR from a tar file, its unpacked folder and class folders: one data set."""

import pickle
import shutil
import tarfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from made import with_files, write_cifar10, write_cifar100
from PIL import Image

from anyslice.config.dataset import Content
from anyslice.datasets import DataError, open_dataset
from anyslice.datasets.content import checksum, digests
from anyslice.datasets.formats.cifar import read_parts
from anyslice.datasets.prepare import prepare
from anyslice.datasets.sources import fetch

WRITERS = {"cifar-10-batches-py": write_cifar10, "cifar-100-python": write_cifar100}


def read(description, folder):
    return read_parts(description, {n: folder / n for n in description.files})


def with_content(description, folder):
    """The description with the checksums of the content in a folder, and without those of files."""
    train, test = (checksum(digests(p, 100)) for p in read(description, folder))
    files = dict.fromkeys(description.files, ("sha256:" + "0" * 64,))
    return replace(description, content=Content(train=train, test=test), files=files)


def write_folders(description, source, folder):
    """Class folders of PNG files, named in another order than that of the tar file."""
    for name, part in zip(("train", "test"), read(description, source), strict=True):
        for number, (image, label) in enumerate(zip(part.images, part.labels, strict=True)):
            place = folder / name / description.classes[label]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.numpy()).save(place / f"{1000 - number}.png")


@pytest.fixture(params=WRITERS)
def sources(request, tmp_path):
    """The description, and for each kind of source the folder that has it."""
    places = {kind: tmp_path / kind for kind in ("tar", "unpacked", "folders", "linked")}
    places["tar"].mkdir()
    description = with_content(WRITERS[request.param](places["tar"]), places["tar"])
    (archive,) = (places["tar"] / name for name in description.files)
    with tarfile.open(archive) as tar:
        tar.extractall(places["unpacked"], filter="data")
    write_folders(description, places["tar"], places["folders"])
    places["linked"].mkdir()
    for part in ("train", "test"):
        other = tmp_path / f"elsewhere-{part}"
        shutil.copytree(places["folders"] / part, other / "images")
        (places["linked"] / part).symlink_to(other / "images")
    places["itself"] = places["unpacked"] / request.param
    return description, places


def prepared(description, source, output):
    prepare(description, fetch(description, source=source), output)
    return {path.name: path.read_bytes() for path in output.iterdir()}


def test_every_source_gives_the_same_bytes(sources, tmp_path):
    """No manifest says where the images come from."""
    description, places = sources
    first, *rest = (prepared(description, p, tmp_path / f"out-{k}") for k, p in places.items())
    assert sorted(first) == ["manifest.json", "split.json", "test.safetensors", "train.safetensors"]
    assert all(other == first for other in rest)


def test_images_and_labels_stay_together(sources, tmp_path):
    description, places = sources
    prepared(description, places["folders"], tmp_path / "out")
    dataset = open_dataset(tmp_path / "out")
    images, labels = (
        torch.cat(some)
        for some in zip(*(dataset.stored(p) for p in ("train", "validation")), strict=True)
    )
    expected, _ = read(description, places["tar"])
    pairs = [
        sorted((i.numpy().tobytes(), int(y)) for i, y in zip(*part, strict=True))
        for part in (expected, (images, labels))
    ]
    assert pairs[0] == pairs[1]


def test_other_images_are_refused_whatever_they_come_from(sources, tmp_path):
    description, places = sources
    path = next((places["folders"] / "test").rglob("*.png"))
    image = np.array(Image.open(path))
    image[0, 0, 0] ^= 1
    Image.fromarray(image).save(path)
    with pytest.raises(DataError, match=r"the test images are not those described: .* right would"):
        prepared(description, places["folders"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_one_part_of_the_class_folders_is_not_enough(sources, tmp_path):
    description, places = sources
    shutil.rmtree(places["folders"] / "test")
    with pytest.raises(DataError, match=r"folders/test is missing: unpacked, CIFAR-100? is in"):
        prepared(description, places["folders"], tmp_path / "out")


def test_an_image_of_another_size_is_named(sources, tmp_path):
    description, places = sources
    path = sorted((places["folders"] / "train").rglob("*.png"))[5]
    Image.open(path).resize((30, 32)).save(path)
    with pytest.raises(DataError, match=f"{path} is 30x32 pixels, but .*png is 32x32"):
        prepared(description, places["folders"], tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("as_labels", [list, np.array, lambda labels: list(np.array(labels))])
def test_pickles_of_today_are_read(tmp_path, protocol, as_labels):
    """Batches written by this Python and this NumPy."""
    description = write_cifar10(tmp_path)
    expected = read(description, tmp_path)
    folder = tmp_path / "cifar-10-batches-py"
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz") as tar:
        tar.extractall(tmp_path, filter="data")
    for path in folder.iterdir():
        value = pickle.loads(path.read_bytes(), encoding="latin1")
        if "labels" in value:
            value["labels"] = as_labels(value["labels"])
        path.write_bytes(pickle.dumps(value, protocol=protocol))
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as tar:
        tar.add(folder, folder.name)
    again = read(with_files(description, tmp_path), tmp_path)
    for one, other in zip(expected, again, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)
