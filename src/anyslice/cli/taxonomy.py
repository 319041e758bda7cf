"""`anyslice taxonomy`: a data set's label levels, its table of parents, and a picture."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from anyslice.cli.loaded import DATASET
from anyslice.cli.options import EXISTING, FILE, FOLDER
from anyslice.config.dataset import Description, load_description
from anyslice.config.taxonomy import load_taxonomy_description
from anyslice.taxonomy import extract
from anyslice.taxonomy.record import Taxonomy, read_taxonomy, write_taxonomy

WORDNET = Path("data/embedded/wordnet")


@click.command()
@click.option("--dataset", type=DATASET, required=True, help="One described in params/datasets/.")
@click.option("--parents", type=EXISTING, help="Parent synsets.  [default: match class names]")
@click.option("--wordnet", type=FOLDER, default=WORDNET, help="WordNet 3.0's noun files.")
@click.option("--output", type=FILE, required=True, help="The JSON file to write.")
def taxonomy(dataset: Description, parents: Path | None, wordnet: Path, output: Path) -> None:
    """From the class names of a data set and WordNet to levels of labels.

    A data set's own coarse labels are its levels, unless a file of parents is given. That has a
    line per class: its parent synset, in class order or behind the class name and a tab. Fails, and
    lists them, if there are classes that it cannot place.
    """
    name, classes = dataset.name, dataset.classes
    if dataset.levels and parents is None:
        result = extract.from_given_levels(name, classes, dataset.levels)
    else:
        rules = load_taxonomy_description(name)
        result = extract.from_wordnet(name, classes, rules, wordnet, parents)
    write_taxonomy(result, output)
    click.echo(_summary(result))


@click.command("taxonomy-parents")
@click.option("--dataset", required=True, help="A data set with a table in params/taxonomy/.")
@click.option("--output", type=FILE, required=True, help="Where the table is to be.")
def taxonomy_parents(dataset: str, output: Path) -> None:
    """Download the paper's table of parents, for --parents of `anyslice taxonomy`."""
    from anyslice.datasets.sources import download  # with PyTorch

    about = load_taxonomy_description(dataset)
    if about.parents is None:
        raise click.ClickException(f"{about.path} names no table of parents")
    download(about.parents.address, output, (about.parents.checksum,))


@click.command("taxonomy-figure")
@click.argument("taxonomy", type=EXISTING)
@click.option("--output", type=FILE, required=True, help="Path without the ending .pdf or .png.")
def taxonomy_figure(taxonomy: Path, output: Path) -> None:
    """Draw the tree in the file TAXONOMY, its levels marked by colour."""
    from anyslice.figures.taxonomy_tree import draw  # with Matplotlib

    record = read_taxonomy(taxonomy)
    draw(record, title=load_description(record.dataset).title, stem=output)


def _summary(taxonomy: Taxonomy) -> str:
    """What was matched how, and the size of the tree and of its levels."""
    tree = taxonomy.tree
    kinds = Counter(how.partition(":")[0] for how in taxonomy.matched.values())
    ways = ", ".join(f"{count} by {kind}" for kind, count in kinds.most_common())
    sizes = " / ".join(str(len(level.names)) for level in taxonomy.levels)
    return (
        f"{taxonomy.dataset}: {len(tree.classes)} of {len(tree.classes)} classes matched ({ways})\n"
        f"{len(tree.non_leaves)} non-leaf nodes, depth {tree.depth}\n"
        f"labels of each level: {sizes}"
    )
