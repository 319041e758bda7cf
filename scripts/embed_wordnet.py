"""WordNet's noun files as the repository keeps them: compressed, with licence and checksums.

python scripts/embed_wordnet.py /usr/share/wordnet data/embedded/wordnet
"""

from __future__ import annotations

import lzma
import re
from pathlib import Path

import click

from anyslice.files import sha256, write_atomically, write_text
from anyslice.taxonomy.wordnet import FILES, open_wordnet


def embed(source: Path, output: Path) -> None:
    """Write the compressed noun files, their licence and checksums to a folder.

    Args:
        source: WordNet's folder, with plain files.
        output: the folder to write to.

    Raises:
        TaxonomyError: if a file is missing, or of another version of WordNet.
    """
    open_wordnet(source)
    for name in FILES:
        with write_atomically(output / f"{name}.xz") as temporary:
            content = (source / name).read_bytes()
            temporary.write_bytes(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))
    write_text(output / "LICENSE", _licence(source / "data.noun"))
    packed = [*(f"{name}.xz" for name in FILES), "LICENSE"]
    write_text(output / "SHA256SUMS", _checksums(output, packed))
    write_text(output / "SHA256SUMS.unpacked", _checksums(source, list(FILES)))


def _licence(data: Path) -> str:
    """The licence, which is the head of every data file, each line behind its number."""
    with data.open(encoding="ascii") as lines:
        numbered = [line for line in lines if line.startswith("  ")]
    return "".join(re.sub(r"^ +\d+ ", "", line).rstrip() + "\n" for line in numbered)


def _checksums(folder: Path, names: list[str]) -> str:
    return "".join(f"{sha256(folder / name)}  {name}\n" for name in names)


@click.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("output", type=click.Path(path_type=Path, file_okay=False))
def main(source: Path, output: Path) -> None:
    """Keep the noun files of the WordNet folder SOURCE in the folder OUTPUT."""
    embed(source, output)


if __name__ == "__main__":
    main()
