"""`anyslice taxonomy`: a data set's label levels, its table of parents, and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from anyslice.cli.options import EXISTING, FILE, FOLDER

if TYPE_CHECKING:
    from anyslice.taxonomy.record import Taxonomy


@click.command()
@click.option("--dataset", required=True, help="A data set described in params/datasets/.")
@click.option(
    "--parents",
    type=EXISTING,
    help="A file with a line per class: its parent synset, in class order or behind the class "
    "name and a tab.  [default: match class names]",
)
@click.option(
    "--wordnet",
    type=FOLDER,
    default=Path("data/embedded/wordnet"),
    help="Folder with WordNet 3.0's noun files.",
)
@click.option(
    "--output",
    type=FILE,
    required=True,
    help="The file to write: tree, label levels, and how each class was matched.",
)
def taxonomy(dataset: str, parents: Path | None, wordnet: Path, output: Path) -> None:
    """From the class names of a data set and WordNet to levels of labels.

    A data set's own coarse labels are its levels, unless a file of parents is given. Fails, and
    lists them, if there are classes that it cannot place.
    """
    from anyslice.config.dataset import load_description
    from anyslice.config.taxonomy import load_taxonomy_description
    from anyslice.taxonomy import extract
    from anyslice.taxonomy.record import write_taxonomy

    about = load_description(dataset)
    if about.levels and parents is None:
        result = extract.from_given_levels(about.name, about.classes, about.levels)
    else:
        description = load_taxonomy_description(about.name)
        result = extract.from_wordnet(about.name, about.classes, description, wordnet, parents)
    write_taxonomy(result, output)
    click.echo(_summary(result))


@click.command("taxonomy-parents")
@click.option("--dataset", required=True, help="A data set with a table in params/taxonomy/.")
@click.option("--output", type=FILE, required=True, help="Where the table is to be.")
def taxonomy_parents(dataset: str, output: Path) -> None:
    """Download the paper's table of parents, for --parents of `anyslice taxonomy`."""
    from anyslice.config.taxonomy import load_taxonomy_description
    from anyslice.datasets.sources import download

    about = load_taxonomy_description(dataset)
    if about.parents is None:
        raise click.ClickException(f"{about.path} names no table of parents")
    download(about.parents.address, output, (about.parents.checksum,))


@click.command("taxonomy-figure")
@click.argument("taxonomy", type=EXISTING)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="The picture's path without its ending; .pdf and .png are written.",
)
def taxonomy_figure(taxonomy: Path, output: Path) -> None:
    """Draw the tree in the file TAXONOMY, its levels marked by colour."""
    from anyslice.config.dataset import load_description
    from anyslice.figures.taxonomy_tree import draw
    from anyslice.taxonomy.record import read_taxonomy

    record = read_taxonomy(taxonomy)
    draw(record, title=load_description(record.dataset).title, stem=output)


def _summary(taxonomy: Taxonomy) -> str:
    """What was matched how, and the size of the tree and of its levels."""
    from collections import Counter

    tree = taxonomy.tree
    kinds = Counter(how.partition(":")[0] for how in taxonomy.matched.values())
    ways = ", ".join(f"{count} by {kind}" for kind, count in kinds.most_common())
    sizes = " / ".join(str(len(level.names)) for level in taxonomy.levels)
    return (
        f"{taxonomy.dataset}: {len(tree.classes)} of {len(tree.classes)} classes matched ({ways})\n"
        f"{len(tree.non_leaves)} non-leaf nodes, depth {tree.depth}\n"
        f"labels of each level: {sizes}"
    )
