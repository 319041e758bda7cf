"""What a training reads: its run, its data set, its label levels; and the key of all that."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from anyslice.config.scale import Run, Scale
from anyslice.datasets import open_dataset
from anyslice.datasets.manifest import Manifest
from anyslice.datasets.streaming import FileDataset
from anyslice.datasets.tensors import TensorDataset
from anyslice.errors import AnysliceError
from anyslice.files import sha256
from anyslice.jobs.deployment import LabelLevel
from anyslice.jobs.identity import LOOP, STORAGES, Identity, code_of
from anyslice.paths import MANIFEST
from anyslice.taxonomy.record import read_taxonomy


@dataclass(frozen=True)
class TrainingFolders:
    """Where a training reads and writes.

    Attributes:
        output: of the results.
        work: the resume areas of all trainings, one below the other.
        data: the prepared data set.
        taxonomy: its label levels, for hierarchical runs; None for those it defines itself.
    """

    output: Path
    work: Path
    data: Path
    taxonomy: Path | None = None


@dataclass(frozen=True)
class Inputs:
    """A training's inputs, and what they make it.

    Its label levels are those it is trained on, fine to coarse; one without a hierarchy.
    """

    run: Run
    dataset: TensorDataset | FileDataset
    levels: tuple[LabelLevel, ...]
    identity: Identity


def read_inputs(
    scale: Scale,
    name: str,
    seed: int,
    folders: TrainingFolders,
    *,
    decoders: int,
    processes: int,
    inexact: list[str],
    test: bool = True,
) -> Inputs:
    """Open everything that a training of the run "<dataset>/<run>" reads.

    How many processes train together, the inexact options, which change results, and whether the
    test images are predicted are part of its identity; how many decode image files is not.

    Raises:
        AnysliceError: if the label levels do not fit the run or the data set.
        OSError: if something cannot be read.
    """
    run = scale.run(name)
    dataset = open_dataset(folders.data, workers=decoders)
    levels = label_levels_of(run, dataset.manifest, folders.taxonomy)
    identity = Identity(
        run=name,
        seed=seed,
        parameters={
            "run": asdict(run),
            "levels": [list(level.labels) for level in levels] if run.hierarchy else None,
            "processes": processes,
            "options": inexact,
            "test": test,
        },
        data=sha256(folders.data / MANIFEST),
        code=code_of([LOOP, STORAGES[dataset.manifest.storage], run.network.file]),
    )
    return Inputs(run, dataset, levels, identity)


def label_levels_of(run: Run, manifest: Manifest, taxonomy: Path | None) -> tuple[LabelLevel, ...]:
    """The label levels that a run is trained on, fine to coarse: the classes alone, or a hierarchy.

    Without a taxonomy.json it is the hierarchy that the data set itself defines.

    Raises:
        AnysliceError: if a hierarchy has one level, or a taxonomy is damaged or of other classes.
    """
    if run.hierarchy and taxonomy is not None:
        found = [(level.names, level.labels) for level in read_taxonomy(taxonomy).levels]
    else:
        found = list(zip(manifest.levels, manifest.level_labels, strict=True))
    levels = tuple(LabelLevel(names, labels) for names, labels in found)
    if not run.hierarchy:
        return levels[:1]
    source = taxonomy or manifest.name
    if any(len(level.labels) != len(manifest.classes) for level in levels):
        raise AnysliceError(
            f"{source} does not label the {len(manifest.classes)} classes of {manifest.name}"
        )
    if len(levels) < 2:
        raise AnysliceError(
            f"the run is hierarchical, but {source} has one label level only; give --taxonomy"
        )
    return levels
