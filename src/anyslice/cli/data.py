"""`anyslice data`: fetch and prepare data sets, and show what they are."""

from __future__ import annotations

from pathlib import Path

import click

from anyslice.cli.options import fail_clearly

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
_source_option = click.option("--source", type=_FOLDER, help="Folder that has the source files.")


@click.group()
def data() -> None:
    """Data sets: from source files to verified tensors."""


@data.command()
@click.argument("dataset")
@_source_option
@click.option(
    "--output", type=_FILE, help="Where to record it.  [default: data/sources/DATASET/fetched.json]"
)
@click.option(
    "--source-of",
    nargs=2,
    multiple=True,
    metavar="NAME FOLDER",
    help="The source folder of the data set of that name; those of others have no effect.",
)
@fail_clearly
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
    "--fetched", type=_FILE, help="Record of `fetch`; without it, files are looked for again."
)
@click.option("--output", type=_FOLDER, help="Folder to write to.  [default: data/DATASET]")
@fail_clearly
def prepare(dataset: str, source: Path | None, fetched: Path | None, output: Path | None) -> None:
    """Verify the source files of DATASET; write tensors, split and manifest."""
    from anyslice.config.dataset import load_description
    from anyslice.datasets import sources
    from anyslice.datasets.prepare import prepare
    from anyslice.files import clear_write_errors

    description = load_description(dataset)
    folder = output or Path("data") / description.name
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
@click.argument("dataset")
@click.option("--folder", type=_FOLDER, help="Where it is prepared.  [default: data/DATASET]")
@click.option("--picture", type=_FILE, help="Also draw augmented samples to this PNG or PDF file.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Seed of the augmented samples.",
)
@click.option(
    "--epoch",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Epoch of the augmented samples.",
)
@click.option("--check-images", is_flag=True, help="Also compare every image file's checksum.")
@fail_clearly
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
    folder = folder or Path("data") / description.name
    click.echo(summarise(description, folder))
    if check_images and description.storage == "files":
        from anyslice.datasets.scan import verify_images

        click.echo(f"Checked:   {verify_images(folder)} image files")
    if picture:
        from anyslice.datasets import open_dataset
        from anyslice.datasets.picture import draw_samples

        draw_samples(open_dataset(folder), picture, seed=seed, epoch=epoch)
        click.echo(f"Samples: {picture}")


@data.command()
@click.option(
    "--source",
    type=_FOLDER,
    default=Path("/usr/share/datasets/fashion-mnist"),
    show_default=True,
    help="Folder of the four whole IDX files.",
)
@click.option(
    "--licence",
    type=_FILE,
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
