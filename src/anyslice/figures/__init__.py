"""Every figure by its name: reads tables, writes <name>.csv, .pdf and .png."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from anyslice.analysis import properties as measured
from anyslice.analysis import tables
from anyslice.analysis.statistics import describe_interval
from anyslice.config.dataset import load_description
from anyslice.config.figures import CostLook
from anyslice.config.scale import Scale
from anyslice.figures import batch_norm, branches, budget, gaps, joint_alone, levels, properties
from anyslice.figures.curves import COSTS
from anyslice.figures.style import Face, pdf_and_png, save
from anyslice.files import write_atomically

DIAGRAMS = {"fig1": "i-resnext", "fig2": "is-resnext"}
"""Figures of an architecture: they need no scale, no data and no training."""

KINDS: dict[str, Any] = {
    "budget": (tables.budget_table, budget.draw),
    "batch-norm": (tables.batch_norm_table, batch_norm.draw),
    "branches": (tables.branches_table, branches.draw),
    "joint-alone": (tables.joint_alone_table, joint_alone.draw),
    "levels": (tables.levels_table, levels.draw),
    "gaps": (tables.gaps_table, gaps.draw),
    "properties": (measured.properties_table, properties.draw),
}
"""For each kind of figure its table, made from a scale's results, and how it is plotted."""

SEEN = (
    "torchvision: released weights, which have seen our validation images, "
    "cut from ImageNet's training set"
)
"""What must be known of released weights wherever they are shown."""


def draw_figure(scale: Scale, name: str, results: Path, output: Path | None = None) -> None:
    """Draw one figure of a scale.

    Args:
        scale: says what the figure shows.
        name: of the figure, one of DIAGRAMS or as in the scale's file.
        results: the scale's folder; metrics and FLOPs are read there, the figure and its tables
            written there.
        output: the only file to write instead, in PDF, PNG or SVG.

    Raises:
        ParameterError: if the scale has no such figure.
        AnysliceError: if a training or its FLOPs are missing, or `output` has another ending.
    """
    paths = [output] if output else pdf_and_png(results / name)
    if name in DIAGRAMS:
        from anyslice.figures import block_diagram  # the other figures do not need PyTorch

        save(block_diagram.draw(DIAGRAMS[name]), *paths)
        return
    make_table, draw = KINDS[scale.figure(name).kind]
    shown = replace(scale, seeds=scale.seeds_of(name))
    table: pd.DataFrame = make_table(shown, scale.figure(name), results)
    face = face_of(scale, name)
    if output is None:
        with write_atomically(results / f"{name}.csv") as path:
            table.to_csv(path, index=False)
    save(draw(table, face), *paths)


def face_of(scale: Scale, name: str) -> Face:
    """The title and the notes of a figure of trainings."""
    figure = scale.figure(name)
    look = figure if isinstance(figure, CostLook) else CostLook()
    runs = scale.datasets[figure.dataset]
    title = load_description(figure.dataset).title
    stand_in = f" (stands in for {runs.stands_in_for})" if runs.stands_in_for else ""
    number = f"Figure {name.removeprefix('fig')}" if name.startswith("fig") else name.capitalize()
    shown = [runs.runs[run] for run in figure.runs]
    # 0 epochs: released weights, only evaluated.
    epochs = sorted({run.recipe.epochs for run in shown} - {0})
    trained = "-".join(map(str, epochs)) + (" epoch" if epochs == [1] else " epochs")
    notes = (
        f"scale {scale.name}: {scale.description}; {trained}",
        _bars(figure.kind, len(scale.seeds_of(name))),
        COSTS[look.x][1],
        *([SEEN] if any(run.network.released for run in shown) else []),
    )
    return Face(
        title=figure.title or f"{number}: {title}{stand_in}",
        notes="; ".join(notes),
        x=look.x,
        y_scale=look.y_scale,
        styles=figure.styles,
    )


def _bars(kind: str, seeds: int) -> str:
    if kind == "gaps" and seeds > 1:
        return f"mean of {seeds} seeds, bars: 95 % interval of a model of network and seed"
    return describe_interval(seeds)
