"""From whatever a user calls an image to the network's input."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from io import IOBase
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from anyslice.datasets.augmentation import Normalisation
from anyslice.datasets.decoding import to_mode
from anyslice.datasets.streaming import resize_and_crop_centre
from anyslice.jobs.deployment import ImageFormat
from anyslice.predict.errors import ImageError

Picture = str | Path | Image.Image | npt.NDArray[np.uint8]
"""A file, an image of Pillow, or uint8 pixels (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)."""


LONGEST = 10
"""A strip this many times as long as wide is resized as a whole, a longer one not."""


def to_input(pictures: Picture | Iterable[Picture] | Tensor, format: ImageFormat) -> Tensor:
    """The normalised input of the network, float32 (N, channels, size, size).

    Args:
        pictures: one or several; or a tensor that is such an input already.
        format: of the network's images.

    Raises:
        ImageError: if something is no image, or a tensor is not of that format.
    """
    if isinstance(pictures, Tensor):
        return _checked(pictures, format)
    single = str | bytes | Path | IOBase | Image.Image | np.ndarray
    if isinstance(pictures, single) or not isinstance(pictures, Iterable):
        pictures = [pictures]
    pixels = [to_pixels(picture, format) for picture in pictures]
    if not pixels:
        raise ImageError("there is no image: give at least one")
    normalise = Normalisation.of(format.mean, format.std, format.size, torch.device("cpu"))
    return normalise(torch.stack(pixels)).contiguous()


def warm_up(format: ImageFormat) -> None:
    """Do what otherwise the first picture would wait for, some 10 ms: load Pillow's formats."""
    Image.preinit()
    to_input(Image.new("RGB", (1, 1)), format)


def _checked(images: Tensor, format: ImageFormat) -> Tensor:
    expected = (format.channels, format.size, format.size)
    if images.dtype != torch.float32 or images.dim() != 4 or tuple(images.shape[1:]) != expected:
        raise ImageError(
            "a tensor must be normalised images, float32 "
            f"(N, {', '.join(map(str, expected))}), not "
            f"{str(images.dtype).removeprefix('torch.')} {tuple(images.shape)}; "
            "pixels are given as uint8 arrays of NumPy, or as images of Pillow"
        )
    if not len(images):
        raise ImageError("there is no image: give at least one")
    if not (images.sum().isfinite() or images.isfinite().all()):  # the former takes less time
        raise ImageError("a tensor of normalised images must have finite numbers only")
    return images


def to_pixels(picture: Picture, format: ImageFormat) -> Tensor:
    """Pixels as the network's data set stores them, uint8 (size, size, channels).

    The central square is what the network sees: of images that were stored as tensors the whole
    square, of those stored as files the part that evaluation crops.
    """
    image = open_upright(picture, format)
    if format.storage == "files":
        return _as_tensor(resize_and_crop_centre(_without_far_ends(image), format.size), format)
    side = format.size * format.shrink - 2 * format.pad
    if image.size != (side, side):
        image = ImageOps.fit(image, (side, side), Image.Resampling.BOX)
    pixels = _as_tensor(ImageOps.expand(image, format.pad), format)
    if format.shrink == 1:
        return pixels
    mean = torch.nn.functional.avg_pool2d(pixels.permute(2, 0, 1).float(), format.shrink)
    return mean.round().to(torch.uint8).permute(1, 2, 0)


def _without_far_ends(image: Image.Image) -> Image.Image:
    """The middle of a long strip, which has all that is seen: the whole would be resized too."""
    shorter, longer = sorted(image.size)
    if longer <= LONGEST * shorter:
        return image
    left, top = ((side - min(side, LONGEST * shorter)) // 2 for side in image.size)
    return image.crop((left, top, image.width - left, image.height - top))


def _as_tensor(image: Image.Image, format: ImageFormat) -> Tensor:
    return torch.from_numpy(np.array(image)).view(*reversed(image.size), format.channels)


def open_upright(picture: Picture, format: ImageFormat) -> Image.Image:
    """The picture as Pillow's grey or RGB image, turned as its EXIF data say."""
    name = str(picture) if isinstance(picture, str | Path) else "the image"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = _open(picture)
            if 0 in image.size:
                raise ImageError(f"{name} has no pixels: it is {image.width}x{image.height}")
            return to_mode(ImageOps.exif_transpose(image), format.channels)
    except FileNotFoundError:
        raise ImageError(f"there is no file {name}") from None
    except UnidentifiedImageError:
        raise ImageError(f"{name} is not an image of a format that Pillow reads") from None
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name} is too large: {error}") from None
    except ImageError:
        raise
    except (OSError, SyntaxError, ValueError, RuntimeError) as error:  # as Pillow's formats raise
        raise ImageError(f"{name} cannot be decoded: {error}") from error


def _open(picture: Any) -> Image.Image:
    if isinstance(picture, str | Path):
        with Image.open(picture) as file:
            file.load()
            return file
    if isinstance(picture, Image.Image):
        return picture
    if isinstance(picture, np.ndarray):
        return _from_array(picture)
    raise ImageError(
        f"an image is a path, an image of Pillow or a uint8 array, not {type(picture).__name__}"
    )


def _from_array(array: npt.NDArray[Any]) -> Image.Image:
    channels = 1 if array.ndim == 2 else array.shape[-1] if array.ndim == 3 else None
    if array.dtype != np.uint8 or channels not in (1, 3, 4):
        raise ImageError(
            "an array of pixels must be uint8 (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), not "
            f"{array.dtype} {array.shape}"
        )
    if 0 in array.shape:
        raise ImageError(f"an array of pixels has no pixels: {array.shape}")
    return Image.fromarray(array[..., 0] if array.ndim == 3 and channels == 1 else array)
