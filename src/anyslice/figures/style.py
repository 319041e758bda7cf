"""One look for all figures: print sizes, embedded fonts, colours that colour-blind readers tell."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

from anyslice.files import write_atomically

COLUMN = 3.5
PAGE = 7.0
"""Widths in inches of one column and of a page in print."""


@contextmanager
def print_style() -> Iterator[None]:
    """Matplotlib and seaborn settings for a figure in print."""
    settings = sns.axes_style("ticks") | sns.plotting_context("paper", font_scale=0.9)
    with mpl.rc_context(settings | {"pdf.fonttype": 42, "axes.grid": True, "grid.alpha": 0.4}):
        yield


@dataclass(frozen=True)
class Face:
    """What every figure says of itself.

    Attributes:
        title: which figure, on which data set.
        notes: scale, training, seeds and FLOPs convention.
    """

    title: str
    notes: str

    def put_on(self, figure: Figure, *extra: str) -> None:
        """Write title and notes above and below the axes, broken into lines that fit.

        Args:
            figure: of any width.
            extra: further notes, of this figure alone.
        """
        inches = figure.get_figwidth()
        figure.suptitle(textwrap.fill(self.title, int(inches * 16)), fontsize=8)
        caption(figure, textwrap.fill("; ".join((*extra, self.notes)), int(inches * 23)))


def caption(figure: Figure, text: str) -> None:
    """What the figure shows, in small type below the axes."""
    figure.supxlabel(text, fontsize=5.5, color="0.3")


def save(figure: Figure, stem: Path) -> None:
    """Write <stem>.pdf and <stem>.png (200 dpi) atomically, the same bytes for the same figure."""
    for suffix, metadata in ((".pdf", {"CreationDate": None}), (".png", {"Software": None})):
        with write_atomically(stem.with_suffix(suffix)) as path:
            figure.savefig(path, format=suffix[1:], dpi=200, metadata=metadata)
    plt.close(figure)
