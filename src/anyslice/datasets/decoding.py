"""From an image file to upright grey or RGB pixels, the same for training and prediction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from anyslice.datasets.manifest import DataError
from anyslice.errors import AnysliceError

_SIXTEEN_BITS = 65535


def decode(path: Path, channels: int) -> Image.Image:
    """A whole image, turned as its EXIF data say; transparent pixels become black.

    Args:
        path: of the file.
        channels: 1 grey or 3 colour.

    Raises:
        DataError: naming the file, if it is missing, cut short, too large or no image.
    """
    try:
        with Image.open(path) as file:
            file.load()
            ImageOps.exif_transpose(file, in_place=True)
            return to_mode(file, channels)
    except FileNotFoundError:
        raise DataError(f"{path} is missing") from None
    except UnidentifiedImageError:
        raise DataError(f"{path} is not an image that can be read") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be decoded: {error}") from error


def to_mode(image: Image.Image, channels: int) -> Image.Image:
    """The image as one of 8 bits, grey or RGB; transparent pixels become black.

    Raises:
        AnysliceError: if what is black and white cannot be told from its values.
    """
    mode = {1: "L", 3: "RGB"}[channels]
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bits(image)
    if not image.has_transparency_data:
        return image.convert(mode)
    background = Image.new("RGBA", image.size, "black")
    return Image.alpha_composite(background, image.convert("RGBA")).convert(mode)


def _eight_bits(image: Image.Image) -> Image.Image:
    """A grey image of 16-bit, 32-bit or real numbers with 8 bits; Pillow would cut values off.

    Integers are read as 16-bit ones, real numbers as 0 black and 1 white.
    """
    values = np.array(image).astype(np.float64)
    white = 1 if image.mode == "F" else _SIXTEEN_BITS
    if not (0 <= values.min() and values.max() <= white):
        raise AnysliceError(
            f"it has grey values from {values.min():g} to {values.max():g}; in its format "
            f"{image.mode} they must be from 0, black, to {white}, white"
        )
    return Image.fromarray(np.round(values * 255 / white).astype(np.uint8))
