"""`anyslice data`: prepare data sets and say what they are."""

from __future__ import annotations

from pathlib import Path

import click

from anyslice.cli.options import fail_clearly

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def data() -> None:
    """Data sets: from source files to verified tensors."""


@data.command()
@click.argument("dataset")
@click.option("--output", type=_FOLDER, help="Folder to write to.  [default: data/DATASET]")
@click.option("--source", type=_FOLDER, help="Folder that has the source files.")
@fail_clearly
def prepare(dataset: str, output: Path | None, source: Path | None) -> None:
    """Verify the source files of DATASET and write its tensors, split and manifest."""
    from anyslice.datasets.description import load_description
    from anyslice.datasets.prepare import prepare

    description = load_description(dataset)
    manifest = prepare(description, output or Path("data") / description.name, source)
    counts = manifest.counts
    click.echo(
        f"{manifest.name}: {counts.train} training, {counts.validation} validation and "
        f"{counts.test} test images of {manifest.image_size}x{manifest.image_size}"
    )


@data.command()
@click.option("--source", type=_FOLDER, required=True, help="Folder of the four whole IDX files.")
@click.option(
    "--licence",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("/usr/share/doc/dataset-fashion-mnist/copyright"),
    show_default=True,
    help="File with the licence.",
)
@click.option(
    "--output",
    type=_FOLDER,
    default=Path("data/embedded/fashion-mnist"),
    show_default=True,
    help="Folder to write to.",
)
@fail_clearly
def embed(source: Path, licence: Path, output: Path) -> None:
    """Cut the part of Fashion-MNIST that is kept in the repository from the whole."""
    from anyslice.datasets.embed import embed

    embed(source, licence, output)
