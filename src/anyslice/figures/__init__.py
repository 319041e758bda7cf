"""Every figure by its name: reads tables, writes <name>.csv, <name>.pdf and <name>.png."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from anyslice.datasets.description import load_description
from anyslice.evaluation.tables import budget_table
from anyslice.figures import budget
from anyslice.files import write_atomically
from anyslice.params import Scale

DIAGRAMS: Final[dict[str, Literal["i-resnext", "is-resnext"]]] = {
    "fig1": "i-resnext",
    "fig2": "is-resnext",
}
"""Figures of an architecture: they need no scale, no data and no training."""


def draw_figure(scale: Scale, name: str, results: Path) -> None:
    """Draw one figure of a scale.

    Args:
        scale: says what the figure shows.
        name: of the figure, one of DIAGRAMS or as in the scale's file.
        results: the scale's folder; metrics and FLOPs are read there, the figure written there.

    Raises:
        ParameterError: if the scale has no such figure.
        FileNotFoundError: if a training or its FLOPs are missing.
    """
    if name in DIAGRAMS:
        from anyslice.figures import block_diagram  # the other figures do not need PyTorch

        block_diagram.draw(DIAGRAMS[name], results / name)
        return
    figure = scale.figure(name)
    table = budget_table(scale, figure, results)
    with write_atomically(results / f"{name}.csv") as path:
        table.to_csv(path, index=False)
    description = load_description(figure.dataset)
    role = scale.datasets[figure.dataset].role
    title = description.title if description.title == role else f"{description.title} (for {role})"
    budget.draw(
        table,
        title=f"Figure {name.removeprefix('fig')}: {title}",
        scale=scale.name,
        data=scale.description,
        stem=results / name,
    )
