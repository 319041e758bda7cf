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


def draw_epoch(images: int, *, seed: int, epoch: int, padding: int, flip: bool = True) -> Draws:
    """Order and augmentation of an epoch, on the CPU so that every device sees the same."""
    generator = epoch_generator(seed, epoch)
    return Draws(
        index=torch.randperm(images, generator=generator),
        flipped=(torch.rand(images, generator=generator) < 0.5) & flip,
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


@dataclass(frozen=True)
class Windows:
    """All crops of all images and of their mirror images, as a view of memory.

    A crop is gathered row by row, each a run of bytes; with the mirror images in memory as well, a
    flip costs nothing. Gathering pixel by pixel was measured to be 20 times as slow.

    Attributes:
        rows: (M, size * C): every run of `size` pixels, whichever pixel it begins at.
        images: N, the number of images.
        padded: height and width of a padded image.
        size: of a crop.
        channels: C.
    """

    rows: Tensor
    images: int
    padded: int
    size: int
    channels: int

    @classmethod
    def of(cls, images: Tensor, padding: int) -> Windows:
        """From images, uint8 (N, size, size, C); takes 2 x N x (size + 2 padding)^2 x C bytes."""
        count, size, _, channels = images.shape
        black = pad_black(images, padding)
        both = torch.cat([black, black.flip(2)])
        runs = both.numel() // channels - size + 1
        rows = both.as_strided((runs, size * channels), (channels, 1))
        return cls(rows, count, size + 2 * padding, size, channels)

    def starts(self, draws: Draws) -> Tensor:
        """The first pixel of each drawn crop, int64 (B,); worth doing once for a whole epoch."""
        image = draws.index + self.images * draws.flipped
        return (image * self.padded + draws.top) * self.padded + draws.left

    def crops(self, starts: Tensor) -> Tensor:
        """The crops that begin at some of `starts`, uint8 (B, size, size, C)."""
        steps = torch.arange(0, self.size * self.padded, self.padded, device=starts.device)
        rows = (starts[:, None] + steps).view(-1)
        return self.rows.index_select(0, rows).view(-1, self.size, self.size, self.channels)


def inside(draws: Draws, size: int, padding: int) -> Tensor:
    """1 where a crop shows the image and 0 where it shows padding, (B, 1, size, size)."""
    steps = torch.arange(size, device=draws.top.device)
    rows, columns = (
        (padding <= start[:, None] + steps) & (start[:, None] + steps < padding + size)
        for start in (draws.top, draws.left)
    )
    return (rows[:, :, None] & columns[:, None, :])[:, None]


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
