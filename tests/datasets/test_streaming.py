"""Images that are decoded from disk as they are needed."""

import itertools
import multiprocessing
import random
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from made import EMBEDDED, colour_images
from PIL import Image
from torchvision.transforms import v2

from anyslice.datasets import DataError, open_dataset
from anyslice.datasets.dataset import Augmentation
from anyslice.datasets.formats.idx import read_idx
from anyslice.datasets.manifest import read_index
from anyslice.datasets.scan import verify_images
from anyslice.datasets.streaming import (
    LIGHTING,
    Draw,
    FileDataset,
    crop_any_box,
    draw_square,
    resize_and_crop_centre,
)


def batches(dataset, **changes):
    options = {"seed": 1, "epoch": 1, "batch_size": 20, "device": "cpu"} | changes
    return list(dataset.train_batches(**options))


@pytest.fixture(scope="module")
def dataset(streamed):
    return open_dataset(streamed)


def test_the_files_are_the_source_images(streamed):
    file = next(f for f in read_index(streamed / "index.csv") if f.part == "test" and f.label == 3)
    images = read_idx(EMBEDDED / "t10k-images-idx3-ubyte.gz")
    labels = read_idx(EMBEDDED / "t10k-labels-idx1-ubyte.gz")
    index = int(file.path.rpartition("/")[2].removesuffix(".png"))
    assert labels[index] == 3
    written = np.asarray(Image.open(streamed / "images" / file.path))
    np.testing.assert_array_equal(written, images[index])


def test_a_batch_is_normalised_float_in_channels_last_memory(dataset):
    batch = batches(dataset)[0]
    assert batch.images.shape == (20, 1, 96, 96)
    assert batch.images.dtype == torch.float32
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert batch.labels.dtype == torch.int64


def test_an_epoch_shows_every_training_image_once(dataset):
    labels = torch.cat([batch.labels for batch in batches(dataset)])
    stored = torch.cat(
        [b.labels for b in dataset.eval_batches("train", batch_size=7, device="cpu")]
    )
    assert sorted(labels.tolist()) == sorted(stored.tolist())
    assert labels.tolist() != stored.tolist()


def test_an_epoch_is_the_same_with_any_number_of_workers(streamed, dataset):
    alone = batches(dataset, epoch=2)
    shared = batches(open_dataset(streamed, workers=2), epoch=2)
    assert len(alone) == len(shared) == 8
    assert all(torch.equal(a.images, b.images) for a, b in zip(alone, shared, strict=True))
    for other in (batches(dataset, epoch=3), batches(dataset, seed=2, epoch=2)):
        assert not torch.equal(alone[0].images, other[0].images)


def test_the_same_workers_serve_all_epochs_and_evaluations(streamed):
    before = set(multiprocessing.active_children())
    dataset = open_dataset(streamed, workers=1)
    (first, *_) = dataset.train_batches(seed=1, epoch=1, batch_size=20, device="cpu")
    workers = set(multiprocessing.active_children()) - before
    evaluation = dataset.eval_batches("test", batch_size=10, device="cpu")
    assert next(evaluation).images.shape == (10, 1, 96, 96)
    again = batches(dataset)  # while the evaluation has not ended
    assert set(multiprocessing.active_children()) - before == workers
    assert len(workers) == 1
    assert len(again) == 8
    assert torch.equal(again[0].images, first.images)


def test_batches_leave_the_global_generator_alone(dataset):
    before = torch.get_rng_state()
    batches(dataset)
    list(dataset.eval_batches("test", batch_size=500, device="cpu"))
    assert torch.equal(torch.get_rng_state(), before)


def test_an_epoch_can_begin_at_any_step_and_be_shared(dataset):
    whole, rest = batches(dataset), batches(dataset, start_step=6)
    assert [torch.equal(a.images, b.images) for a, b in zip(whole[6:], rest, strict=True)] == [
        True,
        True,
    ]
    shares = [batches(dataset, rank=rank, world=2)[0].images for rank in range(2)]
    assert torch.equal(torch.cat(shares), whole[0].images)


CROP = Augmentation(large_images="random-resized-crop")


def test_the_shorter_side_is_resized_to_a_length_from_256_to_480():
    boxes = [draw_square(600, 300, 224, random.Random(n)) for n in range(3000)]
    shorter = [224 / (right - left) * 300 for left, _, right, _ in boxes]
    assert 256 <= min(shorter) < 257
    assert 479 < max(shorter) <= 480
    assert sum(shorter) / len(shorter) == pytest.approx((256 + 480) / 2, rel=0.02)
    assert min(box[0] for box in boxes) == 0
    for left, top, right, bottom in boxes:
        assert 0 <= left < right <= 600
        assert 0 <= top < bottom <= 300


def test_a_crop_is_a_part_of_the_resized_image():
    image = Image.fromarray(colour_images(1, 48)[0])
    for index in range(50):
        given, _ = Draw(1, 2, Augmentation(flip=False), 0.08)(image, index, 32)
        left, top, right, _ = draw_square(48, 48, 32, random.Random(f"1 2 {index}"))
        shorter = round(48 * 32 / (right - left))
        x, y = round(left * shorter / 48), round(top * shorter / 48)
        whole = image.resize((shorter, shorter), Image.Resampling.BILINEAR)
        expected = np.asarray(whole.crop((x, y, x + 32, y + 32)), dtype=int)
        assert abs(np.asarray(given, dtype=int) - expected).max() <= 3  # of 255, by rounding


def test_colours_shift_along_the_principal_components():
    image = Image.fromarray(colour_images(1, 48)[0])
    shifts = np.stack([Draw(1, 2, Augmentation(), 0.08)(image, n, 32)[1] for n in range(4000)])
    assert np.cov(shifts.T) == pytest.approx(0.01 * LIGHTING @ LIGHTING.T, abs=4e-5)
    assert abs(shifts.mean(axis=0)).max() < 0.002


def test_batches_of_colour_images_are_shifted_and_grey_ones_are_not(dataset, streamed):
    manifest = replace(dataset.manifest, image_channels=3, mean=(0.5,) * 3, std=(0.2, 0.25, 0.5))
    shifted = batches(FileDataset(streamed, manifest))[0].images
    grey = (batches(dataset)[0].images * dataset.manifest.std[0] + dataset.manifest.mean[0]) - 0.5
    shifts = shifted * torch.tensor(manifest.std).view(3, 1, 1) - grey
    assert shifts.flatten(2).std(dim=2).max() < 1e-5, "one shift for all pixels of a colour"
    assert 0.001 < shifts.mean(dim=(2, 3)).std() < 0.1


def test_no_image_is_mirrored_if_the_recipe_says_so():
    image = Image.fromarray(colour_images(1, 48)[0])
    both = [Draw(1, 2, Augmentation(flip=flip), 0.08) for flip in (False, True)]
    plain, mirrored = ([draw(image, n, 32)[0] for n in range(40)] for draw in both)
    differing = [a for a, b in zip(plain, mirrored, strict=True) if a.tobytes() != b.tobytes()]
    assert 5 < len(differing) < 35


def test_a_random_resized_crop_is_torchvisions_by_a_seed_of_its_own():
    image = Image.fromarray(colour_images(1, 48)[0])
    before = torch.get_rng_state()
    given = [Draw(1, 2, CROP, 0.4)(image, index, 32)[0] for index in range(200)]
    assert torch.equal(torch.get_rng_state(), before)
    assert {crop.size for crop in given} == {(32, 32)}
    again = [Draw(1, 2, CROP, 0.4)(image, index, 32)[0] for index in range(200)]
    assert [crop.tobytes() for crop in given] == [crop.tobytes() for crop in again]
    areas = [np.prod(crop_any_box(image, 0.4, random.Random(n)).size) / 48**2 for n in range(200)]
    assert 0.37 < min(areas) < 0.45
    assert 0.95 < max(areas) <= 1


@pytest.mark.parametrize("size", [(500, 375), (300, 301), (224, 640)])
def test_evaluation_is_torchvisions_resize_and_central_crop(size):
    image = Image.fromarray(colour_images(1, 64)[0]).resize(size)
    expected = v2.functional.center_crop(v2.functional.resize(image, [256]), [224])
    assert resize_and_crop_centre(image, 224).tobytes() == expected.tobytes()


def test_of_a_long_strip_only_the_middle_is_resized():
    """Resized as a whole to a shorter side of 256, it would have 1.3 billion pixels."""
    strip = Image.new("L", (1, 20_000), "black")
    strip.paste("white", (0, 9_998, 1, 10_002))
    resized = []
    strip.crop = lambda box: resized.append(box) or Image.Image.crop(strip, box)
    seen = np.asarray(resize_and_crop_centre(strip, 224))
    assert (seen == 255).all()
    assert resized == [(0, 9_995, 1, 10_005)]


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_cannot_be_decoded_is_named(streamed, tmp_path, workers):
    folder = shutil.copytree(streamed, tmp_path / "copy")
    broken = sorted((folder / "images/train/bag").iterdir())[0]
    broken.write_bytes(broken.read_bytes()[:100])
    dataset = open_dataset(folder, workers=workers)
    both = itertools.chain.from_iterable(
        dataset.eval_batches(part, batch_size=50, device="cpu") for part in ("train", "validation")
    )
    with pytest.raises(DataError, match=f"^{broken} cannot be decoded"):
        list(both)


def test_a_changed_image_is_found_when_all_are_verified(streamed, tmp_path):
    folder = shutil.copytree(streamed, tmp_path / "copy")
    assert verify_images(folder) == 250
    first, second = sorted((folder / "images/test/coat").iterdir())[:2]
    shutil.copy(first, second)
    with pytest.raises(DataError, match=f"{second} has changed"):
        assert verify_images(folder) == 250
