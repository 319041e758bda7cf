"""From whatever a user calls an image to the network's input."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from anyslice.runtime.errors import ImageError
from anyslice.runtime.folder import ImageFormat

LONGEST = 1000
"""A strip more times as long as wide is refused: resized as a whole, it would fill the memory."""
EVAL_MARGIN = 256 / 224
"""Images stored as files are resized to this many times the network's size, then cropped."""


def to_input(pictures: Any, format: ImageFormat) -> npt.NDArray[np.float32]:
    """The normalised input of the network, float32 (N, channels, size, size).

    Pictures are one or several paths, encoded bytes, open files, images of Pillow or arrays of
    pixels, uint8 (H, W[, channels]) or (N, H, W, channels); or such an input, float32. What is no
    image is an ImageError.
    """
    array = _as_array(pictures)
    if array is not None and array.dtype == np.float32:
        return _checked(array, format)
    one = array is not None and array.ndim != 4
    single = isinstance(pictures, str | bytes | bytearray | Path | Image.Image)
    if one or single or hasattr(pictures, "read") or not isinstance(pictures, Iterable):
        pictures = [pictures]
    pixels = [to_pixels(picture, format) for picture in pictures]
    if not pixels:
        raise ImageError("there is no image: give at least one")
    std = np.array(format.std)
    scale = (1 / (255 * std)).astype(np.float32)
    shift = (-np.array(format.mean) / std).astype(np.float32)
    return np.ascontiguousarray((np.stack(pixels) * scale + shift).transpose(0, 3, 1, 2))


def warm_up(format: ImageFormat) -> None:
    """Do what otherwise the first picture would wait for, some 10 ms: load Pillow's formats."""
    Image.preinit()
    to_input(Image.new("RGB", (1, 1)), format)


def _as_array(value: Any) -> npt.NDArray[Any] | None:
    """An array of NumPy, or what has one as tensors of other libraries do."""
    if isinstance(value, Image.Image) or not hasattr(value, "__array__"):
        return None
    return np.asarray(value)


def _checked(images: npt.NDArray[Any], format: ImageFormat) -> npt.NDArray[np.float32]:
    expected = (format.channels, format.size, format.size)
    if images.ndim != 4 or images.shape[1:] != expected or not len(images):
        raise ImageError(
            f"normalised images must be float32 (N, {', '.join(map(str, expected))}), not float32 "
            f"{images.shape}; pixels are given as uint8"
        )
    if not np.isfinite(images).all():
        raise ImageError("normalised images must have finite numbers only")
    return np.ascontiguousarray(images)


def to_pixels(picture: Any, format: ImageFormat) -> npt.NDArray[np.uint8]:
    """Pixels as the network's data set stores them, uint8 (size, size, channels).

    The central square is what the network sees: of images that were stored as tensors the whole
    square, of those stored as files the part that evaluation crops.
    """
    of_files = format.storage == "files"
    side = format.size * format.shrink - 2 * format.pad
    image = open_upright(picture, format, round(format.size * EVAL_MARGIN) if of_files else side)
    if of_files:
        image = _crop_centre(image, format.size)
    elif image.size != (side, side):
        image = ImageOps.fit(image, (side, side), Image.Resampling.BOX)
    if format.pad and not of_files:
        image = ImageOps.expand(image, format.pad)
    shrink = 1 if of_files else format.shrink
    pixels: npt.NDArray[np.uint8] = np.asarray(image)
    if shrink > 1:
        blocks = pixels.reshape(format.size, shrink, format.size, shrink, -1)
        pixels = np.round(blocks.mean((1, 3))).astype(np.uint8)
    return pixels.reshape(format.size, format.size, format.channels)


def _crop_centre(image: Image.Image, size: int) -> Image.Image:
    shorter = round(size * EVAL_MARGIN)
    scale = shorter / min(image.size)
    width, height = (max(shorter, int(side * scale)) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = round((width - size) / 2), round((height - size) / 2)
    return image.crop((left, top, left + size, top + size))


def open_upright(picture: Any, format: ImageFormat, side: int) -> Image.Image:
    """The picture as Pillow's grey or RGB image, turned as its EXIF data say.

    `side` pixels are needed: a JPEG of far more is decoded to at least twice as many.
    """
    name = str(picture) if isinstance(picture, str | Path) else "the image"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = _open(picture, 2 * side)
            if max(image.size) > LONGEST * min(image.size):
                size = f"{image.width}x{image.height}"
                raise ImageError(f"{name} has no pixels or is a thin strip: it is {size}")
            return _to_mode(ImageOps.exif_transpose(image), format.channels)
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


def _open(picture: Any, side: int) -> Image.Image:
    if isinstance(picture, Image.Image):
        return picture
    array = _as_array(picture)
    if array is not None:
        return _from_array(array)
    if isinstance(picture, bytes | bytearray):
        picture = io.BytesIO(picture)
    if isinstance(picture, str | Path) or hasattr(picture, "read"):
        with Image.open(picture) as file:
            file.draft(None, (side, side))  # the JPEG's own averages of 2, 4 or 8 pixels
            file.load()
            return file
    raise ImageError(
        "an image is a path, bytes, an open file, an image of Pillow or a uint8 array, not "
        f"{type(picture).__name__}"
    )


def _from_array(array: npt.NDArray[Any]) -> Image.Image:
    channels = 1 if array.ndim == 2 else array.shape[-1] if array.ndim == 3 else None
    if array.dtype != np.uint8 or channels not in (1, 3, 4):
        raise ImageError(
            "an array of pixels must be uint8 (H, W), (H, W, 1), (H, W, 3), (H, W, 4), or several "
            f"in (N, H, W, channels), not {array.dtype} {array.shape}"
        )
    if 0 in array.shape:
        raise ImageError(f"an array of pixels has no pixels: {array.shape}")
    return Image.fromarray(array[..., 0] if array.ndim == 3 and channels == 1 else array)


def _to_mode(image: Image.Image, channels: int) -> Image.Image:
    """The image as one of 8 bits, grey or RGB; transparent pixels become black, as in training."""
    mode = "L" if channels == 1 else "RGB"
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bits(image)
    if not image.has_transparency_data:
        return image.convert(mode)
    background = Image.new("RGBA", image.size, "black")
    return Image.alpha_composite(background, image.convert("RGBA")).convert(mode)


def _eight_bits(image: Image.Image) -> Image.Image:
    """A grey image of 16 bits, or real numbers from 0 to 1, with 8; Pillow would cut values off."""
    values = np.array(image).astype(np.float64)
    white = 1 if image.mode == "F" else 65535
    if not (0 <= values.min() and values.max() <= white):
        raise ImageError(
            f"it has grey values from {values.min():g} to {values.max():g}; in its format "
            f"{image.mode} they must be from 0, black, to {white}, white"
        )
    return Image.fromarray(np.round(values * 255 / white).astype(np.uint8))
