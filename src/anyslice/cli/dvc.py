"""`anyslice dvc-yaml`: DVC's stages, from the Snakefile's graph."""

from __future__ import annotations

from pathlib import Path

import click

from anyslice.cli.options import scale_option
from anyslice.errors import AnysliceError


@click.command("dvc-yaml")
@scale_option
@click.option("--check", is_flag=True, help="Only say whether dvc.yaml is up to date.")
def dvc_yaml(scale: str, check: bool) -> None:
    """Write dvc.yaml for a scale: one stage per figure, run and data set."""
    from anyslice.pipeline import dvc_stages as stages

    path, text = Path("dvc.yaml"), stages.dvc_yaml(scale)
    if not check:
        path.write_text(text, encoding="utf-8")
    elif not path.exists() or path.read_text(encoding="utf-8") != text:
        raise AnysliceError(
            f"{path} is not what the Snakefile says for the scale {scale}; "
            f"write it anew: anyslice dvc-yaml --scale {scale}"
        )
