"""Renaming and removing a run: its results, Snakemake's records of them, and its resume areas.

A run's name is part of what its trainings are (`jobs.identity`), so a renamed run would be trained
again, and the results under the old name would stay.
"""

from __future__ import annotations

import shutil
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from anyslice.config.scale import Scale
from anyslice.errors import AnysliceError
from anyslice.files import read_json, write_json
from anyslice.jobs.checkpoint import write_content
from anyslice.jobs.identity import Identity
from anyslice.jobs.kept import KEPT
from anyslice.jobs.lock import sole_process
from anyslice.paths import METRICS, dataset_of, flops_file, run_folder
from anyslice.pipeline.audit import RECORDS, record_files
from anyslice.pipeline.recovery import running_snakemake

LONGEST_NAME = 250
"""A record's file name that is longer is cut into folders; such a record is forgotten instead."""


def places_of(scale: Scale, run: str, results: Path, work: Path) -> list[Path]:
    """What a run has on disk: results, FLOPs, resume areas."""
    places = (run_folder(results, run), flops_file(results, run), work / scale.name / run)
    return [place for place in places if place.exists()]


def remove_run(scale: Scale, run: str, results: Path, work: Path) -> None:
    """Remove a run's results, FLOPs, resume areas, and Snakemake's records of them.

    Raises:
        AnysliceError: if a figure shows it, or a training of it runs; nothing is changed.
    """
    _refuse_if_in_use(scale, run, work)
    for place in places_of(scale, run, results, work):
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    for record, _ in _records_of(run, results):
        record.unlink()


def rename_run(scale: Scale, old: str, new: str, results: Path, work: Path) -> None:
    """Give a run's results, resume areas and records the new name that the scale lists it by.

    Its FLOPs are removed, as counting them takes seconds.

    Raises:
        AnysliceError: if a figure shows the old name, the scale has no run of the new one, there
            are results of that already, or a training runs; nothing is changed.
    """
    scale.run(new)
    _refuse_if_in_use(scale, old, work)
    if dataset_of(old) != dataset_of(new):
        raise AnysliceError(f"{old} and {new} are runs of two data sets")
    for place in (run_folder(results, new), work / scale.name / new):
        if place.exists():
            raise AnysliceError(f"{place} exists already: remove run {new} first")
    trainings = sorted(run_folder(results, old).glob(f"seed*/{METRICS}"))
    areas = [area for area in (work / scale.name / old).glob("seed*/*") if area.is_dir()]
    renamed = {path: _renamed_metrics(path, new) for path in trainings}
    moved = {area: _identity_of(area) for area in areas}

    flops_file(results, old).unlink(missing_ok=True)
    for record, output in _records_of(old, results):
        _rename_record(record, output, old, new)
    for path, metrics in renamed.items():
        write_json(path, metrics)
    for area, identity in moved.items():
        if identity is not None:
            _rename_area(area, replace(identity, run=new))
    for folder in (results / "runs", work / scale.name):
        if (folder / old).exists():
            (folder / old).rename(folder / new)


def _refuse_if_in_use(scale: Scale, run: str, work: Path) -> None:
    figures = [name for name, figure in scale.figures.items() if run in figure.full_names]
    if figures:
        raise AnysliceError(
            f"{scale.path}: {', '.join(figures)} still show {run}: change the file first"
        )
    if process := running_snakemake():
        raise AnysliceError(
            f"Snakemake works in this folder, as process {process.pid}: wait for it"
        )
    for folder in (work / scale.name / run).glob("seed*"):
        with sole_process(folder):
            pass


def _renamed_metrics(path: Path, run: str) -> dict[str, Any]:
    """A training's metrics.json under the run's new name.

    Raises:
        AnysliceError: if its key is not that of what it says it is.
    """
    metrics: dict[str, Any] = read_json(path)
    identity = _identity_in(metrics)
    if identity.key != metrics["key"]:
        raise AnysliceError(f"{path} was written by another version: train it again, or remove it")
    return metrics | {"run": run, "key": replace(identity, run=run).key}


def _identity_in(metrics: dict[str, Any]) -> Identity:
    """What a finished training is."""
    hierarchy = metrics["parameters"]["hierarchy"]
    levels = [level["labels"] for level in metrics["deployment"]["levels"]] if hierarchy else None
    return Identity(
        run=metrics["run"],
        seed=metrics["seed"],
        parameters={
            "run": metrics["parameters"],
            "levels": levels,
            "processes": metrics["execution"]["processes"],
            "options": metrics["execution"]["options"],
        },
        data=metrics["data_manifest_sha256"],
        code=metrics["code_sha256"],
    )


def _identity_of(area: Path) -> Identity | None:
    """What the training is whose results or checkpoints an area keeps; None if it keeps none."""
    kept = area / KEPT / METRICS
    if kept.exists():
        return _identity_in(read_json(kept))
    for path in sorted(area.glob("epoch*.json")):
        return Identity(**read_json(path)["content"]["identity"])
    return None


def _rename_area(area: Path, identity: Identity) -> None:
    """Make an area that of another training: what it keeps says so, and its name is the key."""
    kept = area / KEPT / METRICS
    if kept.exists():
        write_json(kept, read_json(kept) | {"run": identity.run, "key": identity.key})
    for path in area.glob("epoch*.json"):
        content = read_json(path)["content"]
        content["identity"]["run"] = identity.run
        write_content(path, content)
    area.rename(area.with_name(identity.key))


def _records_of(run: str, results: Path) -> Iterator[tuple[Path, str]]:
    """Snakemake's records of a run's results and FLOPs, each with the output it is about."""
    for record, output in record_files(RECORDS):
        if output.startswith(f"{run_folder(results, run)}/") or output == str(
            flops_file(results, run)
        ):
            yield record, output


def _rename_record(record: Path, output: str, old: str, new: str) -> None:
    """Make a record that of a training of another name; that of FLOPs is forgotten."""
    text = record.read_text(encoding="utf-8")
    record.unlink()
    name = urlsafe_b64encode(output.replace(f"/runs/{old}/", f"/runs/{new}/").encode()).decode()
    if "/flops/" in output or len(name) > LONGEST_NAME:
        return
    for before, after in ((f"/runs/{old}/", f"/runs/{new}/"), (f" {old} ", f" {new} ")):
        text = text.replace(before, after)
    (RECORDS / name).write_text(text, encoding="utf-8")
