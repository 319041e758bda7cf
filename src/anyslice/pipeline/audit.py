"""Which finished trainings are what the scale asks for, by their own metrics.json."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from anyslice.config.scale import Scale
from anyslice.files import read_json
from anyslice.jobs.identity import changed_inputs, changes_since
from anyslice.paths import (
    MANIFEST,
    METRICS,
    data_folder,
    dataset_of,
    results_folder,
    taxonomy_file,
    training_folder,
)


@dataclass(frozen=True)
class Outdated:
    """A file that is not what its sources would give, and why, in words."""

    path: str
    reason: str


def reasons_to_train(scale: Scale, run: str, seed: int) -> list[str]:
    """Why a training is not finished with the scale's parameters, data and label levels, in words.

    There are none if it is. Other code is no reason to train again: `outdated_trainings` reports
    it. Data and label levels that are not here, as in a clone, are not compared.
    """
    results = results_folder(scale.name)
    path = training_folder(results, run, seed) / METRICS
    if not path.exists():
        return ["not finished"]
    metrics = read_json(path)
    manifest = data_folder(dataset_of(run)) / MANIFEST
    reasons = [f"other {what}" for what in changed_inputs(metrics, scale.run(run), manifest)]
    taxonomy = taxonomy_file(results, dataset_of(run))
    if scale.run(run).hierarchy and taxonomy.exists():
        levels = [level["labels"] for level in metrics["deployment"]["levels"]]
        if levels != [level["labels"] for level in read_json(taxonomy)["levels"]]:
            reasons.append("other label levels")
    return reasons


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
