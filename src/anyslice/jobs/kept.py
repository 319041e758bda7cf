"""A cache of finished results, so that deleted outputs are restored without retraining.

Snakemake and DVC remove a job's outputs before they run it, also where nothing has changed: after a
crash, or before `dvc repro` of what DVC has not recorded. Hard links take no space.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from anyslice.files import read_json
from anyslice.jobs.identity import Identity
from anyslice.jobs.results import FILES, is_finished, packages
from anyslice.paths import METRICS

KEPT = "finished"


def keep(output: Path, area: Path) -> None:
    """Cache the results in the work folder and delete the checkpoints."""
    if not (area / KEPT).exists():
        part = area / f"{KEPT}.part"
        shutil.rmtree(part, ignore_errors=True)
        _link(output, part)
        part.rename(area / KEPT)
    for path in area.iterdir():
        if path.name != KEPT:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def was_finished(area: Path, identity: Identity) -> bool:
    """Whether a resume area has the files of exactly this training, by the same packages."""
    kept = area / KEPT
    return is_finished(kept, identity) and read_json(kept / METRICS)["packages"] == packages()


def restore(area: Path, output: Path) -> None:
    """Put back the files that `keep` kept."""
    _link(area / KEPT, output)


def _link(source: Path, target: Path) -> None:
    """Link FILES, in their order; copy them where the file system cannot link."""
    target.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (target / name).unlink(missing_ok=True)
        if not (source / name).exists():
            continue
        try:
            (target / name).hardlink_to(source / name)
        except OSError:
            shutil.copy(source / name, target / name)
        os.utime(target / name)  # Snakemake expects outputs younger than inputs
