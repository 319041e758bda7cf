"""Large images, decoded from disk and augmented by worker processes as they are needed.

A recipe chooses how they are cropped:

    resize-range         as He et al. (2016) describe it, to whom the paper refers (Appendix A): the
                         shorter side resized to a length from 256 to 480 where crops are 224 (other
                         sizes in proportion, our assumption), a crop anywhere in it, a flip, and
                         the colour augmentation of Krizhevsky et al. (2012)
    random-resized-crop  that of Szegedy et al. (2015), in common use: a crop of 8 % or more of the
                         area and of an aspect ratio of 3/4 to 4/3, resized, and a flip

What is drawn for an image is a pure function of (seed, epoch, image), whichever worker does it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from anyslice.datasets.augmentation import Normalisation, epoch_generator
from anyslice.datasets.dataset import (
    PLAIN,
    Augmentation,
    Batch,
    Dataset,
    check_part,
    shares,
)
from anyslice.datasets.decoding import decode
from anyslice.datasets.manifest import (
    INDEX,
    DataError,
    ImageFile,
    Manifest,
    images_of,
    read_index,
    read_split,
)

SHORTER_SIDE = (256 / 224, 480 / 224)
"""Range of the resized image's shorter side, in sides of the crop."""

LIGHTING = np.array([0.2175, 0.0188, 0.0045]) * np.array(
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
)
"""Eigenvectors of the colours of ImageNet's pixels as columns, times their eigenvalues; black is 0
and white 1. The numbers are those of fb.resnet.torch."""

LIGHTING_STD = 0.1
RATIO = [3 / 4, 4 / 3]

Box = tuple[float, float, float, float]
Colour = np.ndarray[tuple[int], np.dtype[np.float64]]

EVAL_MARGIN = 256 / 224
"""Images are evaluated on the central square of an image resized so that its shorter side is this
many times as long as the square's."""

STRIP = 10
"""An image this many times as long as wide is resized as a whole, of a longer one the middle."""


class FileDataset(Dataset):
    """A data set of image files.

    Attributes:
        workers: processes that decode; 0 decodes in this one. They live as long as the data set
            and serve one iteration at a time: the next one ends that before it.
    """

    def __init__(self, folder: Path, manifest: Manifest, workers: int = 0) -> None:
        super().__init__(folder, manifest)
        self.workers = workers
        self._loader = lru_cache(maxsize=None)(self._make_loader)

    def train_batches(
        self,
        *,
        seed: int,
        epoch: int,
        batch_size: int,
        device: torch.device | str,
        augmentation: Augmentation = PLAIN,
        start_step: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> Iterator[Batch]:
        """See Dataset; there is no padding, as crops never reach beyond the image."""
        order = torch.randperm(self.counts["train"], generator=epoch_generator(seed, epoch))
        batches = [
            order[part].tolist()
            for part in shares(
                self.steps_per_epoch(batch_size),
                batch_size=batch_size,
                start_step=start_step,
                rank=rank,
                world=world,
            )
        ]
        draw = Draw(seed, epoch, augmentation, self.manifest.crop_area)
        return self._batches("train", batches, draw, torch.device(device))

    def eval_batches(
        self,
        part: str,
        *,
        batch_size: int,
        device: torch.device | str,
        rank: int = 0,
        world: int = 1,
    ) -> Iterator[Batch]:
        """See Dataset."""
        check_part(part)
        images = self.counts[part]
        batches = [
            list(range(start, min(start + batch_size, images)))
            for start in range(rank * batch_size, images, world * batch_size)
        ]
        return self._batches(part, batches, None, torch.device(device))

    def _batches(
        self,
        part: str,
        batches: Iterable[list[int]],
        draw: Draw | None,
        device: torch.device,
    ) -> Iterator[Batch]:
        manifest = self.manifest
        normalise = Normalisation.of(manifest.mean, manifest.std, manifest.image_size, device)
        deviation = torch.tensor(manifest.std, device=device)
        wanted = ([Wanted(part, index, draw) for index in batch] for batch in batches)
        for decoded in self._loader(device.type == "cuda").of(wanted):
            if isinstance(decoded, str):
                raise DataError(decoded)
            pixels, labels, colours = (t.to(device, non_blocking=True) for t in decoded)
            images = normalise(pixels)
            if draw and draw.lights(manifest.image_channels):
                images += (colours / deviation)[:, :, None, None]
            yield Batch(images, labels)

    def _make_loader(self, pin_memory: bool) -> Loader:
        manifest = self.manifest
        decoder = Decoder(
            images_of(self.folder), self._parts(), manifest.image_size, manifest.image_channels
        )
        return Loader(decoder, self.workers, pin_memory)

    def _parts(self) -> dict[str, LabelledPaths]:
        """The files of each part."""
        files = read_index(self.folder / INDEX)
        train = [file for file in files if file.part == "train"]
        test = [file for file in files if file.part == "test"]
        validation = set(read_split(self.folder))
        return {
            "train": LabelledPaths.of([f for i, f in enumerate(train) if i not in validation]),
            "validation": LabelledPaths.of([f for i, f in enumerate(train) if i in validation]),
            "test": LabelledPaths.of(test),
        }


class LabelledPaths(NamedTuple):
    """Paths and labels as arrays: a worker shares those with its parent, but no list of strings.

    Attributes:
        paths: relative to the folder of images, in UTF-8.
        labels: int64.
    """

    paths: np.ndarray[tuple[int], np.dtype[np.bytes_]]
    labels: np.ndarray[tuple[int], np.dtype[np.int64]]

    @classmethod
    def of(cls, files: Sequence[ImageFile]) -> LabelledPaths:
        """From the entries of an index."""
        return cls(
            np.array([file.path.encode() for file in files]),
            np.array([file.label for file in files], dtype=np.int64),
        )


class Draw(NamedTuple):
    """Draws a crop, a flip and a shift of the colours for each image of an epoch.

    Attributes:
        seed: of the training.
        epoch: counted from 1.
        augmentation: see there.
        crop_area: of random-resized-crop, the smallest crop as a fraction of the image's area.
    """

    seed: int
    epoch: int
    augmentation: Augmentation
    crop_area: float

    def __call__(self, image: Image.Image, index: int, size: int) -> tuple[Image.Image, Colour]:
        """The augmented image, size x size, and what to add to its colours."""
        draw = random.Random(f"{self.seed} {self.epoch} {index}")
        box: Box | None = None
        if self.augmentation.large_images == "resize-range":
            box = draw_square(*image.size, size, draw)
        else:
            image = crop_any_box(image, self.crop_area, draw)
        image = image.resize((size, size), Image.Resampling.BILINEAR, box)
        if draw.random() < 0.5 and self.augmentation.flip:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return image, LIGHTING @ [draw.gauss(0, LIGHTING_STD) for _ in range(3)]

    def lights(self, channels: int) -> bool:
        """Whether colours are shifted, which those of grey images are not."""
        return self.augmentation.large_images == "resize-range" and channels == 3


def draw_square(width: int, height: int, size: int, draw: random.Random) -> Box:
    """Left, top, right and bottom of what a crop of the resized image shows of the image."""
    shorter = draw.randint(*(round(size * factor) for factor in SHORTER_SIDE))
    scale = shorter / min(width, height)
    left = draw.randint(0, round(width * scale) - size) / scale
    top = draw.randint(0, round(height * scale) - size) / scale
    side = size / scale
    return left, top, min(left + side, width), min(top + side, height)


def crop_any_box(image: Image.Image, smallest: float, draw: random.Random) -> Image.Image:
    """A crop of torchvision's RandomResizedCrop, not yet resized; `smallest` as crop_area."""
    from torchvision.transforms import RandomResizedCrop  # slow to import

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(draw.getrandbits(63))
        top, left, height, width = RandomResizedCrop.get_params(image, [smallest, 1.0], RATIO)
    return image.crop((left, top, left + width, top + height))


def resize_and_crop_centre(image: Image.Image, size: int) -> Image.Image:
    """The central square of the resized image, for evaluation."""
    image = _middle_of_strip(image)
    shorter = round(size * EVAL_MARGIN)
    scale = shorter / min(image.size)
    width, height = (max(shorter, int(side * scale)) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = round((width - size) / 2), round((height - size) / 2)
    return image.crop((left, top, left + size, top + size))


def _middle_of_strip(image: Image.Image) -> Image.Image:
    """All that evaluation sees of a long strip: resized whole, it might take gigabytes."""
    shorter, longer = sorted(image.size)
    if longer <= STRIP * shorter:
        return image
    left, top = ((side - min(side, STRIP * shorter)) // 2 for side in image.size)
    return image.crop((left, top, image.width - left, image.height - top))


Decoded = tuple[Tensor, int, Colour] | str
"""Pixels, uint8 (size, size, C), label and what to add to red, green and blue; or what is wrong."""


class Wanted(NamedTuple):
    """An image that a worker is asked for.

    Attributes:
        part: "train", "validation" or "test".
        position: in the part.
        draw: how to augment it; None for evaluation.
    """

    part: str
    position: int
    draw: Draw | None


class Decoder(torch.utils.data.Dataset[Decoded]):
    """From what is wanted to pixels, in whichever process.

    An image that cannot be read gives a message instead: an exception in a worker would reach the
    user wrapped in the worker's traceback.
    """

    def __init__(
        self,
        root: Path,
        parts: Mapping[str, LabelledPaths],
        size: int,
        channels: int,
    ) -> None:
        self.root, self.parts, self.size, self.channels = root, parts, size, channels

    def __getitem__(self, wanted: Wanted) -> Decoded:
        """See Decoded."""
        files, index = self.parts[wanted.part], wanted.position
        try:
            image = decode(self.root / files.paths[index].decode(), self.channels)
        except DataError as error:
            return str(error)
        colour: Colour = np.zeros(3)
        if wanted.draw:
            image, colour = wanted.draw(image, index, self.size)
        else:
            image = resize_and_crop_centre(image, self.size)
        pixels = torch.from_numpy(np.array(image)).view(self.size, self.size, -1)
        return pixels, int(files.labels[index]), colour


Stacked = tuple[Tensor, Tensor, Tensor] | str
"""Pixels, labels and colours of a batch; or what is wrong."""


def stack(items: Sequence[Decoded]) -> Stacked:
    """A batch, or the first message of what is wrong."""
    for item in items:
        if isinstance(item, str):
            return item
    images, labels, colours = zip(*items, strict=True)
    shifts = torch.from_numpy(np.stack(colours)).float()
    return torch.stack(images), torch.tensor(labels), shifts


class Loader:
    """Workers that decode whatever batches are wanted, the same ones for all epochs and parts."""

    def __init__(self, decoder: Decoder, workers: int, pin_memory: bool) -> None:
        self._wanted: Iterable[list[Wanted]] = ()
        self._loader: DataLoader[Decoded] = DataLoader(
            decoder,
            batch_sampler=self,
            num_workers=workers,
            persistent_workers=workers > 0,
            collate_fn=stack,
            pin_memory=pin_memory,
            generator=torch.Generator(),  # else it would draw from the global one
        )

    def of(self, wanted: Iterable[list[Wanted]]) -> Iterator[Stacked]:
        """The batches in their order."""
        self._wanted = wanted
        return iter(self._loader)

    def __iter__(self) -> Iterator[list[Wanted]]:
        """As its own sampler: what is wanted now."""
        return iter(self._wanted)
