"""One look for all figures: print sizes, embedded fonts, colours that colour-blind readers tell."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

from anyslice.config.figures import AxisScale, CostColumn, Style
from anyslice.errors import AnysliceError
from anyslice.files import write_atomically

COLUMN = 3.5
PAGE = 7.0
"""Widths in inches of one column and of a page in print."""

PALETTE = sns.color_palette("colorblind")
LEVEL_COLOURS = tuple(PALETTE[i] for i in (0, 1, 2, 4, 5, 7))
"""Those of label levels, from fine to coarse."""

ERROR_LABEL = "top-1 error (%)"

WITHOUT_DATE = {
    ".pdf": {"CreationDate": None},
    ".png": {"Software": None},
    ".svg": {"Date": None},
}
"""The endings that a figure can have, and metadata that make the same figure the same bytes."""

OURS = {
    "pdf.fonttype": 42,
    "svg.hashsalt": "anyslice",
    "axes.grid": True,
    "grid.alpha": 0.4,
}


@contextmanager
def print_style() -> Iterator[None]:
    """Settings for a figure in print, whatever the user's matplotlibrc says."""
    with plt.style.context("default", after_reset=True):
        settings = sns.axes_style("ticks") | sns.plotting_context("paper", font_scale=0.9)
        with mpl.rc_context(settings | OURS):
            yield


@dataclass(frozen=True)
class Face:
    """What every figure says of itself, and the look that its scale gives it.

    Attributes:
        title: which figure, on which data set.
        notes: scale, training, seeds and FLOPs convention.
        x: the cost along x, a column of the table.
        y_scale: of the error.
        styles: of runs that are not plotted as their family is.
    """

    title: str
    notes: str
    x: CostColumn = "macs"
    y_scale: AxisScale = "linear"
    styles: Mapping[str, Style] = field(default_factory=dict)

    def style(self, run: str) -> Style:
        """That of a run; nothing by default."""
        return self.styles.get(run, Style())

    def put_on(self, figure: Figure, *extra: str) -> None:
        """Write title and notes above and below the axes, broken into lines that fit.

        `extra` notes are of this figure alone.
        """
        inches = figure.get_figwidth()
        figure.suptitle(textwrap.fill(self.title, int(inches * 16)), fontsize=8)
        caption(figure, textwrap.fill("; ".join((*extra, self.notes)), int(inches * 23)))


def caption(figure: Figure, text: str) -> None:
    """What the figure shows, in small type below the axes."""
    figure.supxlabel(text, fontsize=5.5, color="0.3")


def pdf_and_png(stem: Path) -> tuple[Path, Path]:
    """The two files in which the study keeps a figure."""
    return stem.with_name(f"{stem.name}.pdf"), stem.with_name(f"{stem.name}.png")


def save(figure: Figure, *paths: Path) -> None:
    """Write PDF, SVG or PNG (200 dpi) atomically, the same bytes for the same figure.

    Raises:
        AnysliceError: if a file's ending is none of WITHOUT_DATE.
    """
    for path in paths:
        if path.suffix not in WITHOUT_DATE:
            raise AnysliceError(f"{path}: a figure is written as {', '.join(WITHOUT_DATE)}")
    with print_style():
        for path in paths:
            with write_atomically(path) as temporary:
                metadata = WITHOUT_DATE[path.suffix]
                figure.savefig(temporary, format=path.suffix[1:], dpi=200, metadata=metadata)
    plt.close(figure)
