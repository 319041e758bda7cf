"""CIFAR in its true format: pickles of Python 2 in a tar file."""

import builtins
import os
import pickle
import tarfile

import numpy as np
import pytest
import torch
from made import (
    add,
    colour_images,
    describe,
    make,
    python2_pickle,
    with_files,
    write_cifar10,
    write_cifar100,
)

from anyslice.datasets import DataError, open_dataset
from anyslice.datasets.formats.cifar import load_plain, read_parts


def test_cifar10_is_read_with_its_channels_and_labels(tmp_path):
    description = write_cifar10(tmp_path)
    train, test = read_parts(description, {n: tmp_path / n for n in description.files})
    images = torch.cat([train.images, test.images])
    assert torch.equal(images, torch.from_numpy(colour_images(120).copy()))
    assert torch.cat([train.labels, test.labels]).tolist() == [i % 10 for i in range(120)]


def test_cifar10_is_prepared_and_opened(tmp_path):
    dataset = open_dataset(make(write_cifar10(tmp_path), tmp_path, tmp_path / "out"))
    batch = next(iter(dataset.train_batches(seed=1, epoch=1, batch_size=8, device="cpu")))
    assert batch.images.shape == (8, 3, 32, 32)
    assert batch.images.is_contiguous(memory_format=torch.channels_last)


def test_cifar100_brings_its_20_coarse_labels(tmp_path):
    dataset = open_dataset(make(write_cifar100(tmp_path), tmp_path, tmp_path / "out"))
    fine, coarse = dataset.manifest.levels
    assert (len(fine), len(coarse)) == (100, 20)
    rocket = fine.index("rocket")
    assert coarse[dataset.manifest.level_labels[1][rocket]] == "vehicles_2"


def test_coarse_labels_that_contradict_the_description_are_refused(tmp_path):
    description = write_cifar100(tmp_path, shift=1)
    with pytest.raises(DataError, match="gives apple the coarse label household_electrical"):
        make(description, tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({"labels": [10] * 20}, "image 0 has the label 10, which is not one of 0 to 9"),
        ({"labels": [-1] * 20}, "label -1"),
        ({"labels": [0] * 19}, "for 115 labels"),
        ({"data": np.zeros((20, 3071), np.uint8)}, r"right would be bytes of shape \(120, 3072\)"),
        ({"data": np.zeros((20, 3072), np.float64)}, "type float64"),
    ],
)
def test_wrong_batches_are_refused_and_nothing_is_written(tmp_path, batch, message):
    description = write_cifar10(tmp_path, **batch)
    with pytest.raises(DataError, match=message.replace("115", "95").replace("120, ", "100, ")):
        make(description, tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


class Hostile:
    """Unpickled by an ordinary unpickler, it runs code."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def hostile(target):
    command = f"touch {target}"
    return {
        "os.system": Hostile(os.system, command),
        "eval": Hostile(builtins.eval, f"open({str(target)!r}, 'w')"),
        "getattr": Hostile(builtins.getattr, os, "system"),
        "inside data": [np.zeros(3), {"data": (1, Hostile(os.system, command))}],
    }


@pytest.mark.parametrize("kind", ["os.system", "eval", "inside data"])
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_hostile_pickle_runs_no_code(tmp_path, kind, protocol):
    target = tmp_path / "ran"
    content = pickle.dumps({"data": hostile(target)[kind]}, protocol=protocol)
    with pytest.raises(DataError, match="cifar was not unpickled: it asks for"):
        load_plain(content, "cifar")
    assert not target.exists()
    pickle.loads(content)
    assert target.exists(), "the pickle was not hostile"


def test_a_hostile_batch_in_the_archive_is_refused(tmp_path):
    description = write_cifar10(tmp_path)
    archive, target = tmp_path / "cifar-10-python.tar.gz", tmp_path / "ran"
    with tarfile.open(archive, "w:gz") as tar:
        names = {"label_names": list(describe("cifar10").classes)}
        add(tar, "cifar-10-batches-py/batches.meta", python2_pickle(names))
        evil = pickle.dumps(Hostile(os.system, f"touch {target}"), protocol=2)
        add(tar, "cifar-10-batches-py/data_batch_1", evil)
    with pytest.raises(DataError, match=f"{archive}, data_batch_1 was not"):
        make(with_files(description, tmp_path), tmp_path, tmp_path / "out")
    assert not target.exists()


def test_a_damaged_pickle_is_named():
    content = python2_pickle({"data": np.zeros(3)})
    with pytest.raises(DataError, match="batch 1 was not unpickled"):
        load_plain(content[:-20], "batch 1")
    with pytest.raises(DataError, match="holds a list where a dictionary belongs"):
        load_plain(python2_pickle([1]), "batch 1")
