"""What is outdated, found by comparing contents, whatever Snakemake, DVC and file times say."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from anyslice.config.scale import Scale
from anyslice.files import read_json, sha256
from anyslice.jobs.identity import changes_since
from anyslice.paths import (
    MANIFEST,
    METRICS,
    data_folder,
    dataset_of,
    results_folder,
    training_folder,
)

RECORDS = Path(".snakemake/metadata")
"""Snakemake's records, one for each output: a JSON file whose name is the output's path in base64,
cut into folders that begin with @ where it is too long."""

DATA = "data/"
"""Inputs that a clone has only after `dvc pull`."""

OF_ONE_MACHINE = "data/sources/"
"""Of these, what is on one machine only."""


@dataclass(frozen=True)
class Outdated:
    """A file that is not what its sources would give, and why, in words."""

    path: str
    reason: str


def changed_inputs(records: Path) -> Iterator[Outdated]:
    """Files whose inputs are not those that Snakemake recorded when it made them.

    Data that are not here make nothing outdated; see `missing_data`.
    """
    checksum = cache(sha256)
    for path, name, recorded in _inputs(records):
        if not Path(name).exists():
            if not name.startswith(DATA):
                yield Outdated(path, f"was made from {name}, which is missing")
        elif recorded != f"sha256:{checksum(Path(name))}":
            yield Outdated(path, f"was made from another {name}")


def missing_data(records: Path) -> dict[str, list[str]]:
    """Data that are not here, as in a clone, each file with those that were made from it."""
    made: dict[str, list[str]] = {}
    for path, name, _ in _inputs(records):
        if name.startswith(DATA) and not (Path(name).exists() or name.startswith(OF_ONE_MACHINE)):
            made.setdefault(name, []).append(path)
    return made


def _inputs(records: Path) -> Iterator[tuple[str, str, str]]:
    """Of each file that is there, its inputs: the file's path, the input's, and its checksum."""
    for path, record in read_records(records):
        if Path(path).exists():
            for name, checksum in record.get("input_checksums", {}).items():
                yield path, name, checksum


def outdated_trainings(scale: Scale) -> Iterator[Outdated]:
    """Trainings of a scale whose parameters, data or code have changed since."""
    for name in scale.listed:
        manifest = data_folder(dataset_of(name)) / MANIFEST
        for seed in scale.seeds:
            metrics = training_folder(results_folder(scale.name), name, seed) / METRICS
            if not metrics.exists():
                continue
            if changes := changes_since(read_json(metrics), scale.run(name), manifest):
                what = " and ".join(changes)
                yield Outdated(str(metrics), f"was trained with other {what}")


def makes(scale: Scale, path: str) -> bool:
    """Whether a file is one of those that a scale makes.

    Copies of what was drawn last, directly in results/, are of whichever scale was used last.
    """
    match Path(path).parts:
        case ["results", name, "runs" | "flops", dataset, run, *_] if name == scale.name:
            return f"{dataset}/{run.removesuffix('.json')}" in scale.listed
        case ["results", name, "taxonomy", file] if name == scale.name:
            return Path(file).stem in scale.datasets
        case ["results", name, file] if name == scale.name:
            return Path(file).stem in {*scale.figures, "claims", "runs", "latency"}
        case ["data", "sources", dataset, *_] | ["data", dataset, *_]:
            return dataset in scale.datasets
    return False


def read_records(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Snakemake's records: the output's path, and what it was made from."""
    for file, output in record_files(folder):
        try:
            yield output, json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            continue  # being written


def forget_missing(since: float) -> None:
    """Remove the records of outputs that do not exist.

    Snakemake records a failed job as done (its issue 3808): its next run would find nothing to do,
    and what was made from the earlier output would count as current.

    Args:
        since: seconds since the epoch; older records stay, so that a clone may lack files.
    """
    for record, output in record_files(RECORDS):
        if record.stat().st_mtime >= since and not Path(output).exists():
            record.unlink()


def record_files(folder: Path) -> list[tuple[Path, str]]:
    """Snakemake's files of records, each with the path of the output that it is about."""
    found = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = "".join(part.removeprefix("@") for part in file.relative_to(folder).parts)
        with suppress(ValueError):  # no record
            found.append((file, urlsafe_b64decode(name).decode()))
    return found
