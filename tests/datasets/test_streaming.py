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
from scipy.stats import ks_2samp
from torchvision.transforms import v2

from anyslice.datasets import DataError, open_dataset
from anyslice.datasets.dataset import Augmentation
from anyslice.datasets.formats.idx import read_idx
from anyslice.datasets.index import read_index
from anyslice.datasets.scan import verify_images
from anyslice.datasets.streaming import (
    LIGHTING,
    Draw,
    FileDataset,
    draw_box,
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


@pytest.mark.parametrize(("width", "height"), [(100, 80), (30, 300)])
def test_crops_have_torchvisions_distribution(width, height):
    torch.manual_seed(0)
    image = torch.empty(1, height, width)
    transform = v2.RandomResizedCrop(224)
    drawn = [transform.make_params([image]) for _ in range(3000)]
    theirs = [(p["left"], p["top"], p["width"], p["height"]) for p in drawn]
    boxes = [draw_box(width, height, 0.08, random.Random(n)) for n in range(3000)]
    ours = [(left, top, right - left, bottom - top) for left, top, right, bottom in boxes]
    for mine, other in zip(zip(*ours, strict=True), zip(*theirs, strict=True), strict=True):
        assert ks_2samp(mine, other).pvalue > 0.01


def test_crops_stay_inside_and_are_never_smaller_than_asked():
    for n in range(2000):
        left, top, right, bottom = draw_box(57, 41, 0.4, random.Random(n))
        assert 0 <= left < right <= 57
        assert 0 <= top < bottom <= 41
        assert (right - left) * (bottom - top) > 0.37 * 57 * 41


def test_a_crop_is_resized_as_torchvision_does_and_half_are_flipped():
    image = Image.fromarray(colour_images(1, 48)[0])
    flips = 0
    for index in range(200):
        draw = random.Random(f"1 2 {index}")
        left, top, right, bottom = draw_box(48, 48, 0.08, draw)
        expected = v2.functional.resized_crop(
            image, top, left, bottom - top, right - left, [32, 32]
        )
        given, _ = Draw(1, 2, CROP, 0.08)(image, index, 32)
        mirrored = v2.functional.horizontal_flip(expected)
        flips += given.tobytes() == mirrored.tobytes()
        assert given.tobytes() in (expected.tobytes(), mirrored.tobytes())
    assert 75 < flips < 125


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
