"""Batched flips and crops do what torchvision does image by image."""

import numpy as np
import pytest
import torch
from made import colour_images
from PIL import Image
from scipy.stats import chi2_contingency
from torchvision.transforms import v2

from anyslice.datasets.augmentation import Draws, Normalisation, Windows, draw_epoch, inside

SIZE = 16
POSITIONS = torch.arange(SIZE * SIZE, dtype=torch.uint8).view(SIZE, SIZE)
"""An image whose every pixel tells where it is."""


def where_cropped(crop, padding):
    """(flipped, top, left) of a crop of POSITIONS, from a pixel that is never cropped away."""
    flipped = int(crop[8, 8] < crop[8, 7])
    upright = crop.flip(1) if flipped else crop
    y, x = divmod(int(upright[8, 8]), SIZE)
    left = x - 8 + padding
    return flipped, y - 8 + padding, 2 * padding - left if flipped else left


@pytest.mark.slow
@pytest.mark.parametrize("padding", [2, 4])
def test_flips_and_crops_have_torchvisions_distribution(padding):
    count = 6000
    windows = Windows.of(POSITIONS.expand(count, -1, -1)[..., None].contiguous(), padding)
    ours = windows.crops(windows.starts(draw_epoch(count, seed=1, epoch=1, padding=padding)))
    torch.manual_seed(0)
    transform = v2.Compose([v2.RandomHorizontalFlip(), v2.RandomCrop(SIZE, padding=padding)])
    theirs = torch.stack([transform(POSITIONS[None])[0] for _ in range(count)])
    table = np.zeros((2, 2, 2 * padding + 1, 2 * padding + 1))
    for row, crops in enumerate((ours[..., 0], theirs)):
        for crop in crops:
            table[row][where_cropped(crop.int(), padding)] += 1
    assert (table > 0).all()
    assert chi2_contingency(table.reshape(2, -1)).pvalue > 0.01


def test_each_crop_is_torchvisions_pixel_for_pixel():
    images = torch.from_numpy(colour_images(50).copy())
    windows, draws = Windows.of(images, 4), draw_epoch(50, seed=1, epoch=2, padding=4)
    crops = windows.crops(windows.starts(draws))
    assert draws.flipped.any()
    for row, crop in enumerate(crops):
        image = images[draws.index[row]].permute(2, 0, 1)
        image = v2.functional.horizontal_flip(image) if draws.flipped[row] else image
        padded = v2.functional.pad(image, [4])
        expected = v2.functional.crop(padded, int(draws.top[row]), int(draws.left[row]), 32, 32)
        assert torch.equal(crop.permute(2, 0, 1), expected)


def test_normalisation_is_torchvisions():
    images = torch.from_numpy(colour_images(8).copy())
    mean, std = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)
    transform = v2.Compose(
        [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std)]
    )
    expected = torch.stack([transform(Image.fromarray(image.numpy())) for image in images])
    given = Normalisation.of(mean, std, width=32, device=torch.device("cpu"))(images)
    torch.testing.assert_close(given, expected, atol=1e-5, rtol=1e-5)


def test_an_epoch_shows_every_image_once_and_flips_half_of_them():
    draws = draw_epoch(10_000, seed=5, epoch=9, padding=4)
    assert draws.index.sort().values.tolist() == list(range(10_000))
    assert 4800 < draws.flipped.sum() < 5200
    assert set(draws.top.tolist()) == set(draws.left.tolist()) == set(range(9))


@pytest.mark.parametrize(("top", "left"), [(0, 0), (4, 4), (8, 1), (2, 7)])
def test_padding_with_the_mean_masks_what_is_beyond_the_image(top, left):
    one = [torch.tensor([v]) for v in (0, False, top, left)]
    windows = Windows.of(torch.ones(1, SIZE, SIZE, 1, dtype=torch.uint8), 4)
    draws = Draws(*one)
    crop = windows.crops(windows.starts(draws))[0, ..., 0]
    assert torch.equal(inside(draws, SIZE, 4)[0, 0], crop.bool())
