"""`anyslice data`: fetch and prepare data sets, and show what they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from anyslice.cli.loaded import data_option, dataset_argument
from anyslice.cli.options import COUNT, FILE, FOLDER, SEED
from anyslice.config import dataset as descriptions
from anyslice.config.dataset import Description
from anyslice.config.names import check_name
from anyslice.datasets import open_dataset, sources
from anyslice.datasets import prepare as preparation
from anyslice.datasets.describe import Wishes, describe_folder, to_yaml
from anyslice.datasets.scan import verify_images
from anyslice.datasets.summary import summarise
from anyslice.files import clear_write_errors, write_text
from anyslice.paths import data_folder

PART = click.FloatRange(0, 1, min_open=True, max_open=True)
STORAGE = click.Choice(["tensor", "files"])

source_option = click.option("--source", type=FOLDER, help="Folder that has the source files.")


@click.group()
def data() -> None:
    """Data sets: from source files to verified tensors."""


@data.command()
@dataset_argument
@source_option
@click.option("--output", type=FILE, help="Record.  [default: data/sources/DATASET/fetched.json]")
def fetch(dataset: Description, source: Path | None, output: Path | None) -> None:
    """Find the source files of DATASET, downloading those that are nowhere here."""
    output = output or sources.FOLDER / dataset.name / "fetched.json"
    files = sources.fetch(dataset, downloads=output.parent, source=source)
    sources.write_fetched(output, files)
    click.echo("\n".join(map(str, files.values())))


@data.command()
@dataset_argument
@source_option
@click.option("--fetched", type=FILE, help="Record of `fetch`.  [default: look for the files]")
@data_option("--output", "Folder to write to.")
def prepare(dataset: Description, source: Path | None, fetched: Path | None, folder: Path) -> None:
    """Verify the source files of DATASET; write tensors, split and manifest."""
    with clear_write_errors(folder):
        found = sources.read_fetched(fetched) if fetched else sources.fetch(dataset, source=source)
        manifest = preparation.prepare(dataset, found, folder)
    counts = manifest.counts
    click.echo(
        f"{manifest.name}: {counts.train} training, {counts.validation} validation and "
        f"{counts.test} test images of {manifest.image_size}x{manifest.image_size}"
    )


@data.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="What the data set is to be called.")
@click.option("--title", help="What figures call it.  [default: its name]")
@click.option("--held-out", type=PART, default=0.1, help="Fraction of training images held out.")
@click.option("--storage", type=STORAGE, help="In memory, or files.  [default: what suits them]")
@click.option("--image-size", type=COUNT, help="Of a network's input.  [default: what suits them]")
@click.option("--seed", "split_seed", type=SEED, default=2018, help="Of the split.")
@click.option("--output", type=FILE, help="File to write.  [default: params/datasets/NAME.yaml]")
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
def describe(folder: Path, name: str, output: Path | None, force: bool, **wishes: Any) -> None:
    """Describe the images in FOLDER, in class folders, as the data set NAME.

    FOLDER has train/<class>/*.png and, if you like, val/ and test/ as well; or <class>/*.png.
    Where there is no val/ or test/, images for it are held out of the training images.
    """
    check_name("data set", name)
    output = output or descriptions.FOLDER / f"{name}.yaml"
    if output.exists() and not force:
        raise click.ClickException(f"{output} exists; --force replaces it")
    write_text(output, to_yaml(describe_folder(folder, Wishes(name, **wishes))))
    description = descriptions.load_description(str(output))
    click.echo(f"{output}:\n{summarise(description, data_folder(name))}")


@data.command()
@dataset_argument
@data_option("--folder", "Where it is prepared.")
@click.option("--picture", type=FILE, help="Also draw augmented samples to this PNG or PDF file.")
@click.option("--check-images", is_flag=True, help="Also compare every image file's checksum.")
def show(dataset: Description, folder: Path, picture: Path | None, check_images: bool) -> None:
    """Print counts, checksums, licence and terms of DATASET."""
    click.echo(summarise(dataset, folder))
    if check_images and dataset.storage == "files":
        click.echo(f"Checked:   {verify_images(folder)} image files")
    if picture:
        from anyslice.datasets.picture import draw_samples  # with Matplotlib

        draw_samples(open_dataset(folder), picture, seed=1, epoch=1)
        click.echo(f"Samples: {picture}")
