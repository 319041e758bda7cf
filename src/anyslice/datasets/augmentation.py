"""Flips and crops of small images, drawn per image and done for a whole batch at once.

The paper follows He et al. (2016): a horizontal flip with probability 1/2 and a crop of the image
padded by 4 pixels (Appendix A). What is drawn for epoch e is a pure function of (seed, e).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Draws:
    """What is drawn for the images of an epoch, or of a batch of it; tensors of shape (N,).

    Attributes:
        index: which image, int64; over an epoch a permutation.
        flipped: whether it is mirrored, bool.
        top: the first row of the crop in the padded image, 0 to 2 x padding, int64.
        left: its first column, likewise.
    """

    index: Tensor
    flipped: Tensor
    top: Tensor
    left: Tensor

    def __getitem__(self, part: slice) -> Draws:
        return Draws(self.index[part], self.flipped[part], self.top[part], self.left[part])

    def to(self, device: torch.device) -> Draws:
        """The same draws on a device."""
        return Draws(*(t.to(device) for t in (self.index, self.flipped, self.top, self.left)))


def draw_epoch(images: int, *, seed: int, epoch: int, padding: int) -> Draws:
    """Order and augmentation of an epoch, on the CPU so that every device sees the same."""
    generator = epoch_generator(seed, epoch)
    return Draws(
        index=torch.randperm(images, generator=generator),
        flipped=torch.rand(images, generator=generator) < 0.5,
        top=torch.randint(2 * padding + 1, (images,), generator=generator),
        left=torch.randint(2 * padding + 1, (images,), generator=generator),
    )


def epoch_generator(seed: int, epoch: int) -> torch.Generator:
    """A generator for an epoch, independent of those of all other seeds and epochs."""
    digest = hashlib.sha256(f"epoch {seed} {epoch}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def pad_black(images: Tensor, padding: int) -> Tensor:
    """Images (N, H, W, C) with `padding` black pixels on every side."""
    return torch.nn.functional.pad(images, (0, 0, padding, padding, padding, padding))


def flip_and_crop(padded: Tensor, draws: Draws, size: int) -> Tensor:
    """The drawn crops of the drawn images.

    Args:
        padded: all images, uint8 (N, P, P, C) and contiguous.
        draws: for B images, on the same device.
        size: height and width of a crop.

    Returns:
        uint8 (B, size, size, C).
    """
    width, channels = padded.shape[2:]
    rows, columns = crop_coordinates(draws, size)
    rows = rows + draws.index[:, None] * width
    pixels = rows[:, :, None] * width + columns[:, None, :]
    cropped = padded.view(-1, channels).index_select(0, pixels.view(-1))
    return cropped.view(-1, size, size, channels)


def crop_coordinates(draws: Draws, size: int) -> tuple[Tensor, Tensor]:
    """Rows and columns, both (B, size), of the crops in the padded image.

    The columns of a flipped image run backwards: flip then crop and crop then flip have the same
    distribution, as the offsets are symmetric.
    """
    steps = torch.arange(size, device=draws.top.device)
    rows = draws.top[:, None] + steps
    columns = draws.left[:, None] + torch.where(draws.flipped[:, None], size - 1 - steps, steps)
    return rows, columns


def inside(draws: Draws, size: int, padding: int) -> Tensor:
    """1 where a crop shows the image and 0 where it shows padding, (B, size, size, 1)."""
    rows, columns = ((padding <= c) & (c < padding + size) for c in crop_coordinates(draws, size))
    return (rows[:, :, None] & columns[:, None, :])[..., None]


@dataclass(frozen=True)
class Normalisation:
    """Takes bytes to float32 of zero mean and unit deviation: byte * scale + shift, per channel.

    Attributes:
        scale: (1, 1, W * C): repeated along a row of pixels, which is several times as fast as
            broadcasting along 1 or 3 channels.
        shift: likewise.
    """

    scale: Tensor
    shift: Tensor

    @classmethod
    def of(
        cls, mean: tuple[float, ...], std: tuple[float, ...], width: int, device: torch.device
    ) -> Normalisation:
        """From mean and standard deviation of each channel, black 0 and white 1."""
        deviation = torch.tensor(std, dtype=torch.float64)
        scale = 1 / (255 * deviation)
        shift = -torch.tensor(mean, dtype=torch.float64) / deviation
        return cls(
            *(t.to(device, torch.float32).repeat(width).view(1, 1, -1) for t in (scale, shift))
        )

    def __call__(self, images: Tensor) -> Tensor:
        """Uint8 (B, H, W, C) to float32 (B, C, H, W) in channels_last memory."""
        flat = images.flatten(2)
        return torch.addcmul(self.shift, flat, self.scale).view(images.shape).permute(0, 3, 1, 2)
