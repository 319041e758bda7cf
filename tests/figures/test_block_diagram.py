"""Figures 1 and 2: print size, embedded fonts, and the labels of what is connected."""

import os
import subprocess
import sys

import pytest
from PIL import Image
from pypdf import PdfReader

from anyslice.figures.block_diagram import draw
from anyslice.figures.style import pdf_and_png, save


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    stem = tmp_path_factory.mktemp("figure") / "fig2"
    save(draw("is-resnext"), *pdf_and_png(stem))
    return stem


@pytest.mark.slow
def test_the_pdf_is_as_wide_as_a_page_of_print(page):
    box = PdfReader(page.with_suffix(".pdf")).pages[0].mediabox
    assert float(box.width) / 72 == pytest.approx(7.0)


@pytest.mark.slow
def test_fonts_are_embedded_as_truetype(page):
    fonts = PdfReader(page.with_suffix(".pdf")).pages[0]["/Resources"]["/Font"].values()
    for font in fonts:
        descendant = font.get_object()["/DescendantFonts"][0].get_object()
        assert "/FontFile2" in descendant["/FontDescriptor"].get_object()


def test_the_text_says_what_is_shown(page):
    text = PdfReader(page.with_suffix(".pdf")).pages[0].extract_text()
    for part in ("(a) full network", "(b) sub-network", "(c) sub-network", "convolution",
                 "identity", "IS-ResNeXt, C = 9, K = 3"):  # fmt: skip
        assert part in text


def test_nothing_touches_the_edge_of_the_picture(page):
    picture = Image.open(page.with_suffix(".png")).convert("L")
    width, height = picture.size
    for edge in [
        (0, 0, width, 1),
        (0, height - 1, width, height),
        (0, 0, 1, height),
        (width - 1, 0, width, height),
    ]:
        assert picture.crop(edge).getextrema() == (255, 255)


@pytest.mark.slow
def test_the_same_figure_has_the_same_bytes_in_another_process(page, tmp_path):
    """Where sets have another order."""
    again = tmp_path / "again"
    code = (
        "from pathlib import Path\n"
        "from anyslice.figures.block_diagram import draw\n"
        "from anyslice.figures.style import pdf_and_png, save\n"
        f"save(draw('is-resnext'), *pdf_and_png(Path({str(again)!r})))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    for suffix in (".pdf", ".png"):
        assert again.with_suffix(suffix).read_bytes() == page.with_suffix(suffix).read_bytes()
