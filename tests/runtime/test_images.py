"""Any picture gives the right input or an error that says what is wrong."""

import io
import struct

import numpy as np
import pytest
import torch
from PIL import Image

from anyslice.datasets.decoding import decode
from anyslice.datasets.streaming import resize_and_crop_centre
from anyslice.runtime import ImageError
from anyslice.runtime.folder import ImageFormat
from anyslice.runtime.images import open_upright, to_input, to_pixels

GREY = ImageFormat("tensor", 16, 1, (0.2202,), (0.3148,), pad=2, shrink=2)
COLOUR = ImageFormat("tensor", 8, 3, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), pad=0, shrink=1)
LARGE = ImageFormat("files", 96, 3, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), pad=0, shrink=1)


@pytest.fixture(scope="module")
def ramp():
    """Grey values 0 ... 255, another in each pixel."""
    return np.arange(256, dtype=np.uint8).reshape(16, 16)


def pixels(image):
    return np.array(open_upright(image, GREY, 16))


def test_a_test_picture_gives_the_input_that_testing_used(sources, test_batch, tmp_path):
    files = []
    for number, picture in enumerate(sources):
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(picture).save(files[-1])
    expected = test_batch.images[: len(files)].numpy()
    np.testing.assert_allclose(to_input(files, GREY), expected, atol=1e-6)
    np.testing.assert_allclose(to_input(list(sources), GREY), expected, atol=1e-6)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp", "gif", "pgm"])
def test_the_file_format_does_not_matter(tmp_path, ramp, suffix):
    path = tmp_path / f"picture.{suffix}"
    Image.fromarray(ramp).save(path, lossless=True)
    assert np.abs(pixels(path).astype(int) - ramp).max() <= 1


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bits_keep_their_grey_values(tmp_path, ramp, suffix):
    path = tmp_path / f"picture.{suffix}"
    Image.fromarray(ramp.astype(np.uint16) * 257).save(path)
    assert Image.open(path).mode.startswith("I")
    assert (pixels(path) == ramp).all()


def test_real_grey_values_are_from_0_to_1(ramp):
    assert (pixels(Image.fromarray(ramp.astype(np.float32) / 255)) == ramp).all()
    with pytest.raises(ImageError, match=r"from 0 to 255; .* from 0, black, to 1, white"):
        pixels(Image.fromarray(ramp.astype(np.float32)))


def test_palette_cmyk_and_colour_become_what_the_network_sees(ramp):
    colour = Image.merge("RGB", [Image.fromarray(ramp)] * 3)
    palette = colour.quantize(256)
    for image in (colour, palette, colour.convert("RGBA"), colour.convert("CMYK")):
        assert np.abs(pixels(image).astype(int) - ramp).max() <= 1
    assert open_upright(Image.fromarray(ramp), COLOUR, 16).mode == "RGB"
    assert open_upright(Image.fromarray(ramp > 99), COLOUR, 16).mode == "RGB"


@pytest.mark.parametrize("suffix", ["jpg", "tiff"])
def test_a_cmyk_file_has_the_colours_that_people_see(tmp_path, ramp, suffix):
    path = tmp_path / f"print.{suffix}"
    colour = Image.merge("RGB", [Image.fromarray(ramp)] * 3)
    colour.convert("CMYK").save(path, quality=100)
    assert Image.open(path).mode == "CMYK"
    assert np.abs(pixels(path).astype(int) - ramp).max() <= 1


def test_a_file_of_as_many_channels_as_no_picture_has_is_refused(tmp_path, ramp):
    path = tmp_path / "bands.tiff"
    Image.fromarray(np.dstack([ramp] * 4), "RGBA").save(path)
    whole = path.read_bytes()
    bands = struct.pack("<HHII", 277, 3, 1, 4)  # the tag with the number of samples in a pixel
    assert whole.count(bands) == 1
    path.write_bytes(whole.replace(bands, struct.pack("<HHII", 277, 3, 1, 9)))
    with pytest.raises(ImageError, match=r"bands\.tiff is not an image of a format"):
        to_input(path, GREY)


def test_transparent_pixels_are_black_as_in_training():
    image = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert (pixels(image) == 0).all()
    assert (to_pixels(image, COLOUR) == 0).all()


def test_exif_data_turn_the_picture_upright(tmp_path, ramp):
    path, exif = tmp_path / "turned.png", Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to see it upright
    Image.fromarray(ramp).save(path, exif=exif)
    assert (pixels(path) == np.rot90(ramp, -1)).all()


@pytest.mark.parametrize("size", [(1, 1), (1000, 3), (3, 1000), (640, 480), (17, 16)])
@pytest.mark.parametrize("format", [GREY, COLOUR, LARGE])
def test_every_size_is_brought_to_the_networks(format, size):
    found = to_input(Image.new("RGB", size, "white"), format)
    assert tuple(found.shape) == (1, format.channels, format.size, format.size)


def test_the_central_square_is_seen():
    wide = Image.new("RGB", (24, 8), "black")
    wide.paste("white", (8, 0, 16, 8))
    assert (to_pixels(wide, COLOUR) == 255).all()


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((0, 5), np.uint8), r"no pixels: \(0, 5\)"),
        (np.zeros((5, 5, 2), np.uint8), r"must be uint8 .*, not uint8 \(5, 5, 2\)"),
        (np.zeros((5, 5, 5), np.uint8), r"not uint8 \(5, 5, 5\)"),
        (np.zeros((2, 5, 5, 2), np.uint8), r"not uint8 \(5, 5, 2\)"),
        (np.zeros((0, 5, 5, 3), np.uint8), "no image"),
        (np.zeros((5, 5, 3)), r"not float64 \(5, 5, 3\)"),
        (np.zeros((5, 5, 3), np.float32), r"not float32 \(5, 5, 3\)"),
        (Image.new("L", (0, 7)), "no pixels or is a thin strip: it is 0x7"),
        (Image.new("L", (3, 3001)), "it is 3x3001"),
        (torch.zeros(1, 1, 16, 16, dtype=torch.int64), "not int64"),
        (torch.zeros(1, 3, 16, 16), r"float32 \(N, 1, 16, 16\), not float32 \(1, 3, 16, 16\)"),
        (torch.zeros(1, 1, 224, 224), r"not float32 \(1, 1, 224, 224\)"),
        (torch.zeros(0, 1, 16, 16), r"not float32 \(0, 1, 16, 16\)"),
        (torch.full((1, 1, 16, 16), float("nan")), "finite numbers only"),
        ([], "no image"),
        ([None], "not NoneType"),
        (None, "not NoneType"),
        (b"\x89PNG", "not an image of a format"),
        (io.BytesIO(b"\x89PNG"), "not an image of a format"),
        ([b"", b""], "not an image of a format"),
        ("nowhere.png", "there is no file nowhere.png"),
    ],
)
def test_what_is_no_image_is_refused(picture, message):
    with pytest.raises(ImageError, match=message):
        to_input(picture, GREY)


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_a_file_that_is_no_image_is_named(tmp_path, content):
    path = tmp_path / "file.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"file\.png"):
        to_input(path, GREY)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
def test_half_a_file_is_named(tmp_path, format):
    buffer = io.BytesIO()
    rows = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    Image.fromarray(rows).save(buffer, format)
    path = tmp_path / "half"
    path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    with pytest.raises(ImageError, match="half"):
        to_input(path, GREY)


@pytest.mark.parametrize("error", [RuntimeError, NotImplementedError])
def test_a_file_at_which_pillow_fails_otherwise_is_named(monkeypatch, photo, error):
    """As it does at a damaged AVIF file, and at a DDS file of a kind that it does not know."""

    def fail(*arguments):
        raise error("Failed to decode image")

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(ImageError, match=r"boot\.png cannot be decoded: Failed to decode image"):
        to_input(photo, GREY)


def test_an_image_that_would_fill_the_memory_is_refused(monkeypatch, photo):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ImageError, match=r"boot\.png is too large"):
        to_input(photo, GREY)


@pytest.mark.parametrize("size", [(40, 30), (31, 33), (8, 8), (200, 20)])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "CMYK", "I;16"])
def test_a_picture_is_read_as_training_reads_it(tmp_path, mode, size):
    """The runtime has code of its own for it, since it does without PyTorch."""
    draw = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(draw[..., 0].astype(np.uint16) * 257 if mode == "I;16" else draw)
    path = tmp_path / "picture.tiff"
    (image if mode == "I;16" else image.convert(mode)).save(path)
    for format in (COLOUR, GREY):
        read = np.array(decode(path, format.channels))
        assert (np.array(open_upright(path, format, 8)) == read).all()
    expected = np.array(resize_and_crop_centre(decode(path, 3), LARGE.size))
    assert (to_pixels(path, LARGE) == expected).all()


def test_a_large_jpeg_is_decoded_smaller_to_nearly_the_same_pixels(tmp_path):
    across, down = np.meshgrid(np.linspace(0, 9, 4000), np.linspace(0, 9, 3000))
    waves = np.dstack([127 + 100 * np.sin(across + f * down) for f in (0.5, 1, 2)])
    Image.fromarray(waves.astype(np.uint8)).save(tmp_path / "large.jpg", quality=95)
    with Image.open(tmp_path / "large.jpg") as file:
        whole = to_pixels(file.convert("RGB"), LARGE)
    assert open_upright(tmp_path / "large.jpg", LARGE, 110).size == (500, 375)
    found = to_pixels(tmp_path / "large.jpg", LARGE)
    assert np.abs(found.astype(int) - whole).max() <= 3
