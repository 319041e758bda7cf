"""What `anyslice train` does around the loop: inputs, resume area, determinism, outputs."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from anyslice.config.scale import Run, Scale
from anyslice.datasets import open_dataset
from anyslice.datasets.manifest import read_manifest
from anyslice.files import clear_write_errors, read_json, sha256
from anyslice.jobs.checkpoint import Checkpoints
from anyslice.jobs.deployment import LabelLevel, deployment_of
from anyslice.jobs.identity import LOOP, STORAGES, Identity, code_of, seed_folder
from anyslice.jobs.interrupt import Interrupted, Interrupts
from anyslice.jobs.kept import keep, restore, was_finished
from anyslice.jobs.lock import sole_process
from anyslice.jobs.progress import (
    PROGRESS,
    LiveLine,
    Pace,
    ProgressFile,
    TensorBoard,
    write_progress,
)
from anyslice.jobs.results import is_finished, remove_outdated, write_training
from anyslice.jobs.session import ResumableSession, Watcher
from anyslice.memory import keep_freed_memory
from anyslice.training.distributed import Processes, processes_of_torchrun
from anyslice.training.loop import train
from anyslice.training.options import Options, make_deterministic


@dataclass(frozen=True)
class Folders:
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


def run_training(
    scale: Scale,
    name: str,
    seed: int,
    folders: Folders,
    interrupts: Interrupts,
    *,
    options: Options = Options(),  # noqa: B008
    tensorboard: bool = False,
) -> None:
    """Train a run of a scale with a seed, going on from its last checkpoint, and write its files.

    Args:
        scale: where the run, the threads and the checkpoint interval come from.
        name: "<dataset>/<run>".
        seed: the training's seed.
        folders: where to read and write.
        interrupts: when to stop.
        options: faster execution.
        tensorboard: also write event files, to <output>/tensorboard.

    Raises:
        Interrupted: if it was asked to stop; the same call goes on.
        FloatingPointError: if it diverged.
        ValueError: if the training is running already, or a folder belongs to another one.
        OSError: if something cannot be written.
    """
    make_deterministic(scale.threads, options)
    keep_freed_memory()
    device = choose_device(scale.gpus_of(name))
    with processes_of_torchrun(gpu=device.type == "cuda") as processes:
        job = _Job(scale, name, seed, folders, options, processes, device)
        with clear_write_errors(job.seed_folder), job.alone():
            if is_finished(folders.output, job.identity):
                job.say(f"{folders.output} is finished already: nothing to do")
            elif job.restored():
                job.say(f"was finished before, with the same key: put back from {job.folder}")
            else:
                with job.recorded():
                    job.run(interrupts, tensorboard)
            job.keep()


class _Job:
    """A training with everything it needs from outside the loop."""

    def __init__(
        self,
        scale: Scale,
        name: str,
        seed: int,
        folders: Folders,
        options: Options,
        processes: Processes,
        device: torch.device,
    ) -> None:
        self.scale, self.name, self.seed, self.folders = scale, name, seed, folders
        self.options, self.processes, self.device = options, processes, device
        self.training = scale.run(name)
        options.check(self.device, processes.world)
        decoders = scale.threads - 1 if self.device.type == "cuda" else 0
        self.dataset = open_dataset(folders.data, workers=decoders)
        self.levels = label_levels_of(self.training, folders.data, folders.taxonomy)
        maps = [list(level.labels) for level in self.levels]
        self.level_maps = maps if self.training.hierarchy else None
        self.identity = Identity(
            run=name,
            seed=seed,
            parameters={
                "run": asdict(self.training),
                "levels": self.level_maps,
                "processes": processes.world,
                "options": options.on,
            },
            data=sha256(folders.data / "manifest.json"),
            code=code_of(
                [LOOP, STORAGES[self.dataset.manifest.storage], self.training.network.file]
            ),
        )
        self.seed_folder = seed_folder(folders.work, scale.name, name, seed)
        self.folder = self.seed_folder / self.identity.key

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self.processes.rank == 0

    def say(self, message: str) -> None:
        """Print, in one of the processes."""
        if self.leads:
            print(f"{self.name} seed {self.seed}: {message}", flush=True)

    def alone(self) -> AbstractContextManager[None]:
        """The lock of the training."""
        return sole_process(self.seed_folder) if self.leads else nullcontext()

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Record a stop or a failure in progress.json."""
        try:
            with clear_write_errors(self.folder):
                yield
        except Interrupted as stop:
            self._record("stopped", stop)
            raise
        except Exception as error:
            self._record("failed", error)
            raise

    def run(self, interrupts: Interrupts, tensorboard: bool) -> None:
        """Train and write."""
        if self.leads:
            self._clear_output()
        session = ResumableSession(
            Checkpoints(self.folder, self.identity),
            minutes=self.scale.checkpoint_minutes,
            interrupts=interrupts,
            watchers=self._watchers(tensorboard) if self.leads else (),
            processes=self.processes,
            say=self.say,
        )
        trained = train(
            self.training,
            self.dataset,
            self.seed,
            device=self.device,
            level_maps=self.level_maps,
            session=session,
            processes=self.processes,
            options=self.options,
        )
        if self.leads:
            network = trained.network.to(self.device)
            deployment = deployment_of(network, self.dataset, self.dataset.manifest, self.levels)
            network.cpu()
            with clear_write_errors(self.folders.output):
                write_training(
                    self.folders.output,
                    trained,
                    self.training,
                    self.identity,
                    deployment,
                    scale=self.scale.name,
                    execution=self._execution(),
                )
        self.say(f"done; saving took {session.saving_seconds:.2f} of {trained.seconds:.1f} s")

    def restored(self) -> bool:
        """Whether this very training was finished before, and its files are back in place."""
        if not was_finished(self.folder, self.identity):
            return False
        if self.leads:
            restore(self.folder, self.folders.output)
        return True

    def keep(self) -> None:
        """Replace the checkpoints of a training that is finished by what it wrote."""
        if self.leads:
            self.folder.mkdir(parents=True, exist_ok=True)
            keep(self.folders.output, self.folder)

    def _clear_output(self) -> None:
        """Remove what is outdated, and find out before the training whether one can write there."""
        output = self.folders.output
        with clear_write_errors(output):
            output.mkdir(parents=True, exist_ok=True)
            remove_outdated(output)
            probe = output / f".{os.getpid()}.part"
            probe.touch()
            probe.unlink()

    def _watchers(self, tensorboard: bool) -> list[Watcher]:
        self.folder.mkdir(parents=True, exist_ok=True)
        recipe = self.training.recipe
        pace = Pace(recipe.epochs, recipe.batch_size)
        watchers: list[Watcher] = [
            LiveLine(f"{self.name} seed {self.seed}", pace),
            ProgressFile(self.folder / PROGRESS, pace),
        ]
        if tensorboard:
            watchers.append(TensorBoard(self.folders.output / "tensorboard"))
        return watchers

    def _execution(self) -> dict[str, Any]:
        return {
            "device": self.device.type,
            "threads": self.scale.threads,
            "processes": self.processes.world,
            "options": self.options.on,
        }

    def _record(self, state: str, error: BaseException) -> None:
        if self.leads and self.folder.exists():
            write_progress(
                self.folder / PROGRESS,
                {
                    "state": state,
                    "pid": os.getpid(),
                    "host": socket.gethostname(),
                    "message": str(error),
                },
            )


def choose_device(gpus: int) -> torch.device:
    """The GPU of this process, or the CPU if `gpus` of its run is 0.

    Raises:
        ValueError: if there is no GPU, or not one for each process on this machine.
    """
    if gpus == 0:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ValueError("the run trains on GPUs (`gpus`), but torch sees none; set it to 0")
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if processes > torch.cuda.device_count():
        raise ValueError(
            f"{processes} processes train together, each on a GPU of its own, but torch sees "
            f"{torch.cuda.device_count()}; lower `gpus` of the run, or --processes"
        )
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device


def label_levels_of(run: Run, data: Path, taxonomy: Path | None) -> list[LabelLevel]:
    """The label levels that a run is trained on, fine to coarse: the classes alone, or a hierarchy.

    Args:
        run: see Run.hierarchy.
        data: the prepared data set.
        taxonomy: a taxonomy.json, or None for the levels that the data set itself defines.

    Raises:
        ValueError: if a hierarchy has one level only, or the taxonomy is of other classes.
    """
    manifest = read_manifest(data, verify=False)
    if run.hierarchy and taxonomy is not None:
        levels = [
            LabelLevel(tuple(level["names"]), tuple(level["labels"]))
            for level in read_json(taxonomy)["levels"]
        ]
    else:
        pairs = zip(manifest.levels, manifest.level_labels, strict=True)
        levels = [LabelLevel(names, labels) for names, labels in pairs]
    if not run.hierarchy:
        return levels[:1]
    source = taxonomy or data
    if any(len(level.labels) != len(manifest.classes) for level in levels):
        raise ValueError(f"{source} does not label the {len(manifest.classes)} classes of {data}")
    if len(levels) < 2:
        raise ValueError(
            f"the run is hierarchical, but {source} has one label level only; give --taxonomy"
        )
    return levels
