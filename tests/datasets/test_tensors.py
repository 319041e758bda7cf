"""Small images from their source files to batches."""

import json
import shutil
from collections import Counter
from dataclasses import replace

import pytest
import torch
from made import EMBEDDED, describe, make

from anyslice.config.dataset import Counts
from anyslice.datasets import Augmentation, DataError, open_dataset
from anyslice.datasets.formats.idx import read_idx


def batches(dataset, **changes):
    options = {"seed": 1, "epoch": 1, "batch_size": 64, "device": "cpu"} | changes
    return list(dataset.train_batches(**options))


@pytest.fixture(scope="module")
def dataset(quick):
    return open_dataset(quick)


def test_a_batch_is_normalised_float_in_channels_last_memory(dataset):
    batch = batches(dataset)[0]
    assert batch.images.shape == (64, 1, 16, 16)
    assert batch.images.dtype == torch.float32
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert batch.labels.dtype == torch.int64


def test_training_images_without_augmentation_have_mean_0_and_deviation_1(dataset):
    images = torch.cat(
        [b.images for b in dataset.eval_batches("train", batch_size=1000, device="cpu")]
    )
    assert images.mean().item() == pytest.approx(0, abs=1e-3)
    assert images.std().item() == pytest.approx(1, abs=1e-3)


def test_evaluation_gives_every_image_once_in_its_stored_order(dataset):
    given = list(dataset.eval_batches("test", batch_size=300, device="cpu"))
    assert [len(b.labels) for b in given] == [300] * 6 + [200]
    labels = read_idx(EMBEDDED / "t10k-labels-idx1-ubyte.gz")
    assert torch.cat([b.labels for b in given]).tolist() == labels.tolist()


def test_an_image_is_padded_averaged_and_normalised(dataset):
    image = torch.from_numpy(read_idx(EMBEDDED / "t10k-images-idx3-ubyte.gz")[3].copy())
    padded = torch.zeros(32, 32)
    padded[2:30, 2:30] = image
    averaged = padded.view(16, 2, 16, 2).mean((1, 3)).round()
    expected = (averaged / 255 - 0.2202) / 0.3148
    batch = next(iter(dataset.eval_batches("test", batch_size=4, device="cpu")))
    torch.testing.assert_close(batch.images[3, 0], expected, atol=1e-5, rtol=0)


def test_training_and_validation_images_are_apart_and_together_all(quick, dataset):
    validation = json.loads((quick / "split.json").read_text())["validation"]
    assert len(set(validation)) == dataset.counts["validation"] == 1000
    labels = read_idx(EMBEDDED / "train-labels-idx1-ubyte.gz")
    parts = [
        torch.cat([b.labels for b in dataset.eval_batches(part, batch_size=500, device="cpu")])
        for part in ("train", "validation")
    ]
    assert parts[1].tolist() == labels[validation].tolist()
    assert sum((Counter(part.tolist()) for part in parts), Counter()) == Counter(labels.tolist())


def test_an_epoch_is_a_pure_function_of_seed_and_epoch(quick, dataset):
    first = batches(dataset, epoch=3)
    batches(dataset, epoch=7)
    again = batches(open_dataset(quick), epoch=3)
    assert len(first) == len(again) == dataset.steps_per_epoch(64) == 9000 // 64
    assert all(torch.equal(a.images, b.images) for a, b in zip(first, again, strict=True))
    for other in (batches(dataset, epoch=4), batches(dataset, seed=2, epoch=3)):
        assert not torch.equal(first[0].labels, other[0].labels)


def test_padding_with_the_mean_is_zero_where_black_is_padded(dataset):
    for black, mean in zip(
        batches(dataset), batches(dataset, augmentation=Augmentation(padding="mean")), strict=True
    ):
        differ = black.images != mean.images
        assert differ.any()
        assert (mean.images[differ] == 0).all()
        assert black.images[differ].unique().tolist() == [black.images.min().item()]


def test_batches_leave_the_global_generator_alone(dataset):
    before = torch.get_rng_state()
    batches(dataset)
    list(dataset.eval_batches("test", batch_size=500, device="cpu"))
    assert torch.equal(torch.get_rng_state(), before)


def test_an_epoch_can_begin_at_any_step(dataset):
    whole, rest = batches(dataset), batches(dataset, start_step=100)
    assert len(rest) == len(whole) - 100
    assert all(torch.equal(a.images, b.images) for a, b in zip(whole[100:], rest, strict=True))


def test_shares_of_a_batch_put_together_are_the_batch(dataset):
    whole = batches(dataset)
    shares = [batches(dataset, rank=rank, world=4) for rank in range(4)]
    for step, batch in enumerate(whole):
        together = torch.cat([share[step].images for share in shares])
        assert torch.equal(together, batch.images)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 9001}, "batch size 9001 does not fit 9000 training images"),
        ({"batch_size": 0}, "batch size 0"),
        ({"world": 3}, "a batch of 64 has no share 0 of 3 equal ones"),
        ({"rank": 2, "world": 2}, "no share 2 of 2"),
    ],
)
def test_batches_that_cannot_be_are_refused(dataset, options, message):
    with pytest.raises(ValueError, match=message):
        batches(dataset, **options)


def test_an_unknown_part_is_refused(dataset):
    with pytest.raises(ValueError, match="no part 'val'; choose from train, validation, test"):
        list(dataset.eval_batches("val", batch_size=1, device="cpu"))


def test_preparing_again_gives_the_same_bytes(quick, tmp_path):
    again = make(describe("fashion-mnist-quick"), EMBEDDED, tmp_path / "again")
    for path in quick.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes(), path.name


def test_coarse_levels_are_recorded(tmp_path):
    folder = make(describe("fashion-mnist-two-level"), EMBEDDED, tmp_path / "data")
    manifest = open_dataset(folder).manifest
    assert manifest.levels[1] == ("clothing", "footwear", "bag")
    assert manifest.level_labels[1] == (0, 0, 0, 0, 0, 1, 0, 1, 2, 1)


@pytest.mark.parametrize("name", ["train.safetensors", "split.json"])
def test_a_changed_or_missing_file_is_named_when_the_data_set_is_opened(quick, tmp_path, name):
    folder = shutil.copytree(quick, tmp_path / "copy")
    content = bytearray((folder / name).read_bytes())
    content[-3] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{folder / name} has changed since it was prepared"):
        open_dataset(folder)
    (folder / name).unlink()
    with pytest.raises(DataError, match=f"{folder / name} is missing"):
        open_dataset(folder)


def test_a_folder_without_manifest_is_no_data_set(tmp_path):
    with pytest.raises(DataError, match="`anyslice data prepare cifar10"):
        open_dataset(tmp_path / "cifar10")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"counts": Counts(9000, 999, 2000)}, "promises 9999 images .* has 10000 images"),
        ({"mean": (0.25,)}, r"key 'mean' is \[0.25\], but the training images have \[0.2202\]"),
        ({"image_size": 32}, r"promises images of shape \(32, 32, 1\)"),
    ],
)
def test_a_source_that_contradicts_its_description_leaves_the_old_data_set(
    quick, tmp_path, changes, message
):
    folder = shutil.copytree(quick, tmp_path / "copy")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    description = replace(describe("fashion-mnist-quick"), **changes)
    with pytest.raises(DataError, match=message):
        make(description, EMBEDDED, folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
