"""Learning curves: training loss and validation error after each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from anyslice.config.scale import Scale
from anyslice.errors import AnysliceError
from anyslice.figures.curves import Colour, legend_right
from anyslice.figures.style import PAGE, PALETTE, Face, print_style
from anyslice.paths import HISTORY, dataset_of, training_folder


def learning_table(scale: Scale, runs: Sequence[str], results: Path) -> pd.DataFrame:
    """The histories of all finished trainings of some runs ("<dataset>/<run>").

    Returns:
        Columns run, seed, K, epoch, subnetwork, train_loss, validation_error (of fine labels, in
        percent).

    Raises:
        AnysliceError: if no training of a run is finished.
    """
    found = []
    for name in runs:
        scale.run(name)
        histories = {
            seed: path
            for seed in scale.seeds
            if (path := training_folder(results, name, seed) / HISTORY).exists()
        }
        if not histories:
            raise AnysliceError(
                f"no training of {name} is finished: there is no "
                f"{training_folder(results, name, '<n>') / HISTORY}"
            )
        found += [_long(name, seed, pd.read_csv(path)) for seed, path in histories.items()]
    return pd.concat(found, ignore_index=True)


def _long(name: str, seed: int, history: pd.DataFrame) -> pd.DataFrame:
    """A row for each epoch and sub-network."""
    fine = history.rename(columns=lambda column: column.removesuffix("_level1"))
    columns = ["train_loss", "validation_error"]
    long = pd.wide_to_long(fine, columns, i="epoch", j="subnetwork", sep="_")[columns].reset_index()
    return long.assign(run=name, seed=seed, K=long.subnetwork.max())


def draw(table: pd.DataFrame, scale: Scale) -> Figure:
    """Draw the table of `learning_table`: the full sub-network solid, the first one dashed."""
    with print_style():
        figure, (losses, errors) = plt.subplots(1, 2, figsize=(PAGE, 3.0), layout="constrained")
        for number, (run, rows) in enumerate(table.groupby("run", sort=False)):
            colour = PALETTE[number % len(PALETTE)]
            for axes, column in ((losses, "train_loss"), (errors, "validation_error")):
                _plot(axes, rows, column, colour, str(run).partition("/")[2])
        for axes in (losses, errors):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        losses.set(xlabel="epoch", ylabel="training loss")
        errors.set(xlabel="epoch", ylabel="validation error (%)")
        legend_right(errors)
        seeds = table.groupby("run").seed.nunique().max()
        shown = "1 seed" if seeds == 1 else f"mean of {seeds} seeds, bands: their range"
        data = " and ".join(dict.fromkeys(dataset_of(run) for run in table.run))
        Face(
            f"Learning curves: {data}",
            "solid: the full network; dashed: its first sub-network; "
            f"scale {scale.name}: {scale.description}; {shown}",
        ).put_on(figure)
    return figure


def _plot(axes: Axes, rows: pd.DataFrame, column: str, colour: Colour, label: str) -> None:
    K = rows.K.iloc[0]
    for k, line in {1: "--", K: "-"}.items():
        by_epoch = rows[rows.subnetwork == k].groupby("epoch")[column].agg(["mean", "min", "max"])
        axes.plot(
            by_epoch.index,
            by_epoch["mean"],
            color=colour,
            linestyle=line,
            marker=".",
            markersize=3,
            linewidth=1.3,
            label=label if k == K else None,
        )
        axes.fill_between(
            by_epoch.index, by_epoch["min"], by_epoch["max"], color=colour, alpha=0.2, linewidth=0
        )
