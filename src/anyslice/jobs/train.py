"""What `anyslice train` does around the loop: lock; finished? kept? else train and write; keep."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from anyslice.config.scale import Scale
from anyslice.costs.machine import device_name
from anyslice.errors import AnysliceError
from anyslice.files import clear_write_errors
from anyslice.jobs.checkpoint import Checkpoints
from anyslice.jobs.deployment import deployment_of
from anyslice.jobs.inputs import Inputs, TrainingFolders, read_inputs
from anyslice.jobs.interrupt import Interrupted, Interrupts
from anyslice.jobs.kept import keep, restore, was_finished
from anyslice.jobs.lock import sole_process
from anyslice.jobs.progress import Progress, write_progress
from anyslice.jobs.results import clear, is_finished, write_training
from anyslice.jobs.session import ResumableSession
from anyslice.memory import keep_freed_memory
from anyslice.paths import PROGRESS, seed_folder
from anyslice.training.distributed import processes_of_torchrun
from anyslice.training.loop import train
from anyslice.training.options import Options, make_deterministic


def run_training(
    scale: Scale,
    name: str,
    seed: int,
    folders: TrainingFolders,
    interrupts: Interrupts,
    *,
    options: Options = Options(),  # noqa: B008
    test: bool = True,
) -> None:
    """Train a run of a scale with a seed, resuming its last checkpoint, and write its files.

    Args:
        scale: where the run, the threads and the checkpoint interval come from.
        name: "<dataset>/<run>".
        test: predict the test images at the end.

    Raises:
        Interrupted: if it was asked to stop; the same call resumes.
        DivergedError: if it diverged.
        AnysliceError: if the training is running already, or a folder belongs to another one.
        OSError: if something cannot be written.
    """
    make_deterministic(scale.threads, options)
    keep_freed_memory()
    device = choose_device(scale.gpus_of(name))
    with processes_of_torchrun(device) as processes:
        if processes.world > 1:
            interrupts.listen()
        options.check(device)
        inputs = read_inputs(
            scale,
            name,
            seed,
            folders,
            decoders=scale.threads - 1 if device.type == "cuda" else 0,
            processes=processes.world,
            inexact=options.inexact,
            test=test,
        )
        of_seed = seed_folder(folders.work, scale.name, name, seed)
        area, output, leads = of_seed / inputs.identity.key, folders.output, processes.rank == 0

        def say(message: str) -> None:
            if leads:
                print(f"{name} seed {seed}: {message}", flush=True)

        with clear_write_errors(of_seed), sole_process(of_seed) if leads else nullcontext():
            if is_finished(output, inputs.identity):
                say(f"{output} is finished already: nothing to do")
            elif was_finished(area, inputs.identity):
                if leads:
                    restore(area, output)
                say(f"was finished before, with the same key: put back from {area}")
            else:
                if leads:
                    with clear_write_errors(output):
                        clear(output)
                    area.mkdir(parents=True, exist_ok=True)
                recipe = inputs.run.recipe
                shown = Progress(
                    f"{name} seed {seed}", area / PROGRESS, recipe.epochs, recipe.batch_size
                )
                session = ResumableSession(
                    Checkpoints(area, inputs.identity),
                    minutes=scale.checkpoint_minutes,
                    interrupts=interrupts,
                    watchers=[shown] if leads else [],
                    device=device,
                    processes=processes,
                    say=say,
                )
                with _failures_recorded(area) if leads else nullcontext():
                    _train_and_write(inputs, scale, output, session, device, options)
            if leads:
                keep(output, area)


def choose_device(gpus: int) -> torch.device:
    """The GPU of this process, or the CPU if `gpus` of its run is 0.

    Raises:
        AnysliceError: if there is no GPU, or not one for each process on this machine.
    """
    if gpus == 0:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise AnysliceError("the run trains on GPUs (`gpus`), but torch sees none; set it to 0")
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if processes > torch.cuda.device_count():
        raise AnysliceError(
            f"{processes} processes train together, each on a GPU of its own, but torch sees "
            f"{torch.cuda.device_count()}; lower `gpus` of the run, or --processes"
        )
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device


def _train_and_write(
    inputs: Inputs,
    scale: Scale,
    output: Path,
    session: ResumableSession,
    device: torch.device,
    options: Options,
) -> None:
    processes = session.processes
    with clear_memory_errors(inputs.run.recipe.batch_size, device):
        trained = train(
            inputs.run,
            inputs.dataset,
            inputs.identity.seed,
            device=device,
            level_maps=inputs.identity.parameters["levels"],
            test=inputs.identity.parameters["test"],
            session=session,
            processes=processes,
            options=options,
        )
    if processes.rank > 0:
        return
    network = trained.network.to(device)
    deployment = deployment_of(network, inputs.dataset, inputs.dataset.manifest, inputs.levels)
    network.cpu()
    execution: dict[str, Any] = {
        "device": device.type,
        "devices": session.devices,
        "threads": scale.threads,
        "processes": processes.world,
        "cuda_graphs": options.graphs(device, processes.world),
        "options": options.inexact,
    }
    with clear_write_errors(output):
        write_training(output, trained, inputs, deployment, scale=scale.name, execution=execution)
    session.say(f"done; saving took {session.saving_seconds:.2f} of {trained.seconds:.1f} s")


@contextmanager
def clear_memory_errors(batch: int, device: torch.device) -> Iterator[None]:
    """Turn running out of the GPU's memory into an AnysliceError that says what would help."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        memory = torch.cuda.mem_get_info(device)[1] / 1e9
        raise AnysliceError(
            f"{memory:.1f} GB, all that {device_name(device)} has, are too few for a batch of "
            f"{batch}: take another GPU, a smaller `batch_size`, or --bf16"
        ) from error


@contextmanager
def _failures_recorded(area: Path) -> Iterator[None]:
    """Record a stop or a failure in progress.json."""
    try:
        with clear_write_errors(area):
            yield
    except Exception as error:
        if area.exists():
            state = "stopped" if isinstance(error, Interrupted) else "failed"
            write_progress(area / PROGRESS, state, message=str(error))
        raise
