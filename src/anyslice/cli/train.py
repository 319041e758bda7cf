"""`anyslice train`: one training, a run with a seed."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from anyslice import paths
from anyslice.cli.options import COUNT, FILE, FOLDER, SCALE_HELP, SEED
from anyslice.errors import AnysliceError
from anyslice.jobs.interrupt import EXIT_CODE, Interrupted, Interrupts

MINUTES = click.FloatRange(min=0)


@click.command()
@click.argument("run")
@click.option("--scale", default="quick", help=SCALE_HELP)
@click.option("--seed", type=SEED, help="Of the training.  [default: the scale's first]")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a key of RUN.")
@click.option("--output", type=FOLDER, help="For the results.  [default: in results/<scale>/runs]")
@click.option("--data", type=FOLDER, help="Prepared data set.  [default: data/<dataset>]")
@click.option("--taxonomy", type=FILE, help="Label levels.  [default: the data set's own]")
@click.option("--work", type=FOLDER, help="For checkpoints.  [default: work, or in work/by-hand]")
@click.option("--time-budget", type=MINUTES, help="Minutes, then save and stop with status 75.")
@click.option("--processes", type=COUNT, help="That share every batch.  [default: one per GPU]")
@click.option("--wait", is_flag=True, help="Wait for another process on this training first.")
@click.option("--no-test", is_flag=True, help="Leave the test images alone, as in a pilot.")
@click.option("--bf16", is_flag=True, help="Train in bfloat16 where autocast finds it safe.")
@click.option("--tf32", is_flag=True, help="TensorFloat-32 products, on a GPU.")
@click.option(
    "--cuda-graphs/--no-cuda-graphs",
    default=None,
    help="Each step as one CUDA graph: faster, the same bytes.  [default: on a GPU, one process]",
)
def train(
    run: str,
    scale: str,
    seed: int | None,
    settings: tuple[str, ...],
    output: Path | None,
    data: Path | None,
    taxonomy: Path | None,
    work: Path | None,
    time_budget: float | None,
    processes: int | None,
    wait: bool,
    no_test: bool,
    **options: Any,
) -> None:
    """Train RUN ("<dataset>/<run>") with one seed, resuming its last checkpoint.

    With --set, the run as it would be with other keys: --set recipe.epochs=1 --set
    recipe.schedule=linear --set recipe.milestones=[]. What is trained so, or with --no-test, is
    not the study's: its results are below work/tried, and its checkpoints below work/by-hand.

    SIGTERM, SIGINT or SIGUSR1: the step is finished, a checkpoint written, and the exit status is
    75. The same command then resumes, and ends with the same bytes as if it had never stopped.
    """
    with Interrupts(time_budget) as interrupts:  # from here on, as imports take a while
        from anyslice.config.checked_yaml import ParameterError
        from anyslice.config.layers import changes_of
        from anyslice.config.scale import load_scale
        from anyslice.jobs import launch
        from anyslice.jobs.gpus import own_gpus
        from anyslice.jobs.lock import wait_until_free
        from anyslice.jobs.slurm import queue_again

        load_scale(scale).run(run)
        try:
            loaded = load_scale(scale, changes=changes_of(run, settings))
        except ParameterError as error:
            given = " ".join(f"--set {setting}" for setting in settings)
            raise ParameterError(f"with {given}: {error}") from None
        data = data or _prepared(run)
        seed = loaded.seeds[0] if seed is None else seed
        settings = (*settings, *(["no-test"] if no_test else []))
        output, work = _folders(loaded.name, run, seed, settings, output, work)
        child = launch.started_by_torchrun()
        if child:
            launch.stop_with_parent()
        count = processes or max(1, loaded.gpus_of(run))
        launch.check_shares(loaded.run(run).recipe.batch_size, count)
        gpus = count if loaded.gpus_of(run) and not child else 0
        try:
            if wait and not child:
                wait_until_free(paths.seed_folder(work, loaded.name, run, seed), interrupts)
            with own_gpus(gpus, interrupts, say=click.echo):
                if count > 1 and not child:
                    status = launch.run_in_processes(count, sys.argv[1:])
                    if status == EXIT_CODE:
                        raise Interrupted("all processes have stopped")
                    sys.exit(status)

                from anyslice.jobs.inputs import TrainingFolders
                from anyslice.jobs.train import run_training
                from anyslice.training.options import Options

                run_training(
                    loaded,
                    run,
                    seed,
                    TrainingFolders(output, work, data, taxonomy),
                    interrupts,
                    options=Options(**options),
                    test=not no_test,
                )
        except Interrupted as stop:
            click.echo(str(stop), err=True)
            # A time budget that is used up is no failure, so it costs none of SLURM's retries.
            if interrupts.out_of_time and not child and queue_again():
                click.echo("SLURM has put this job back into its queue", err=True)
            sys.exit(EXIT_CODE)


def _prepared(run: str) -> Path:
    """Where the data set of a run is, prepared by the description in force if it is there."""
    from anyslice.config.dataset import load_description
    from anyslice.datasets.manifest import read_manifest
    from anyslice.datasets.prepare import refuse_other_description

    dataset = paths.dataset_of(run)
    folder = paths.data_folder(dataset)
    if (folder / paths.MANIFEST).is_file():
        description = load_description(dataset)
        refuse_other_description(description, read_manifest(folder, verify=False))
    return folder


def _folders(
    scale: str,
    run: str,
    seed: int,
    settings: Sequence[str],
    output: Path | None,
    work: Path | None,
) -> tuple[Path, Path]:
    """Where results and checkpoints go.

    A training that is not the study's has its own place for both, so that the study's status does
    not speak of it.

    Raises:
        AnysliceError: if a changed run would take the place of the study's.
    """
    study = paths.training_folder(paths.results_folder(scale), run, seed)
    tried = Path("work/tried") / scale / run / " ".join(settings).replace("/", "_") / f"seed{seed}"
    chosen = output or (tried if settings else study)
    of_study = chosen.resolve() == study.resolve()
    if settings and of_study:
        raise AnysliceError(
            f"{chosen} is for what the scale says: with --set or --no-test choose another --output"
        )
    if output is None:
        click.echo(f"results: {chosen}")
    place = hashlib.sha256(str(chosen.resolve()).encode()).hexdigest()[:16]
    return chosen, work or (Path("work") if of_study else Path("work/by-hand") / place)
