"""`anyslice data`: fetch and prepare data sets, and show what they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from anyslice.cli.options import COUNT, FILE, FOLDER
from anyslice.paths import data_folder

if TYPE_CHECKING:
    from anyslice.config.dataset import Storage

_source_option = click.option("--source", type=FOLDER, help="Folder that has the source files.")


@click.group()
def data() -> None:
    """Data sets: from source files to verified tensors."""


@data.command()
@click.argument("dataset")
@_source_option
@click.option(
    "--output", type=FILE, help="Where to record it.  [default: data/sources/DATASET/fetched.json]"
)
@click.option(
    "--source-of",
    nargs=2,
    multiple=True,
    metavar="NAME FOLDER",
    help="The source folder of the data set of that name; those of others have no effect.",
)
def fetch(
    dataset: str,
    source: Path | None,
    output: Path | None,
    source_of: tuple[tuple[str, str], ...],
) -> None:
    """Find the source files of DATASET, downloading those that are nowhere here."""
    from anyslice.config.dataset import load_description
    from anyslice.datasets import sources

    description = load_description(dataset)
    output = output or sources.FOLDER / description.name / "fetched.json"
    folders = {name: Path(folder) for name, folder in source_of}
    source = source or folders.get(description.name)
    files = sources.fetch(description, downloads=output.parent, source=source)
    sources.write_fetched(output, files)
    for path in files.values():
        click.echo(path)


@data.command()
@click.argument("dataset")
@_source_option
@click.option(
    "--fetched", type=FILE, help="Record of `fetch`; without it, files are looked for again."
)
@click.option("--output", type=FOLDER, help="Folder to write to.  [default: data/DATASET]")
def prepare(dataset: str, source: Path | None, fetched: Path | None, output: Path | None) -> None:
    """Verify the source files of DATASET; write tensors, split and manifest."""
    from anyslice.config.dataset import load_description
    from anyslice.datasets import sources
    from anyslice.datasets.prepare import prepare
    from anyslice.files import clear_write_errors

    description = load_description(dataset)
    folder = output or data_folder(description.name)
    with clear_write_errors(folder):
        found = (
            sources.read_fetched(fetched) if fetched else sources.fetch(description, source=source)
        )
        manifest = prepare(description, found, folder)
    counts = manifest.counts
    click.echo(
        f"{manifest.name}: {counts.train} training, {counts.validation} validation and "
        f"{counts.test} test images of {manifest.image_size}x{manifest.image_size}"
    )


@data.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="What the data set is to be called.")
@click.option("--title", help="What figures call it.  [default: its name]")
@click.option(
    "--held-out",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.1,
    help="Fraction of the training images for validation, or for testing, where FOLDER has none.",
)
@click.option(
    "--storage",
    type=click.Choice(["tensor", "files"]),
    help="Small images in memory, or files.  [default: what suits the images]",
)
@click.option(
    "--image-size",
    type=COUNT,
    help="Pixels on a side of what a network sees.  [default: what suits the images]",
)
@click.option("--seed", type=click.IntRange(min=0), default=2018, help="Draws.")
@click.option("--output", type=FILE, help="File to write.  [default: params/datasets/NAME.yaml]")
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
def describe(
    folder: Path,
    name: str,
    title: str | None,
    held_out: float,
    storage: Storage | None,
    image_size: int | None,
    seed: int,
    output: Path | None,
    force: bool,
) -> None:
    """Describe the images in FOLDER, in class folders, as the data set NAME.

    FOLDER has train/<class>/*.png and, if you like, val/ and test/ likewise; or <class>/*.png.
    """
    from anyslice.config import dataset
    from anyslice.datasets.describe import Wishes, describe_folder, to_yaml
    from anyslice.datasets.summary import summarise
    from anyslice.files import write_text

    dataset.check_name(name)
    output = output or dataset.FOLDER / f"{name}.yaml"
    if output.exists() and not force:
        raise click.ClickException(f"{output} exists; --force replaces it")
    wishes = Wishes(name, title, held_out, storage, image_size, seed)
    write_text(output, to_yaml(describe_folder(folder, wishes)))
    description = dataset.load_description(str(output))
    click.echo(f"{output}:\n{summarise(description, Path('data') / name)}")


@data.command()
@click.argument("dataset")
@click.option("--folder", type=FOLDER, help="Where it is prepared.  [default: data/DATASET]")
@click.option("--picture", type=FILE, help="Also draw augmented samples to this PNG or PDF file.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=1, help="Seed of the augmented samples."
)
@click.option("--epoch", type=COUNT, default=1, help="Epoch of the augmented samples.")
@click.option("--check-images", is_flag=True, help="Also compare every image file's checksum.")
def show(
    dataset: str,
    folder: Path | None,
    picture: Path | None,
    seed: int,
    epoch: int,
    check_images: bool,
) -> None:
    """Print counts, checksums, licence and terms of DATASET."""
    from anyslice.config.dataset import load_description
    from anyslice.datasets.summary import summarise

    description = load_description(dataset)
    folder = folder or data_folder(description.name)
    click.echo(summarise(description, folder))
    if check_images and description.storage == "files":
        from anyslice.datasets.scan import verify_images

        click.echo(f"Checked:   {verify_images(folder)} image files")
    if picture:
        from anyslice.datasets import open_dataset
        from anyslice.datasets.picture import draw_samples

        draw_samples(open_dataset(folder), picture, seed=seed, epoch=epoch)
        click.echo(f"Samples: {picture}")
