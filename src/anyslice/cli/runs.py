"""`anyslice runs`: the table of a scale's trainings; `rename` and `remove` a run's results."""

from __future__ import annotations

from pathlib import Path

import click

from anyslice.cli.options import results_option, scale_and_results, scale_option, work_option
from anyslice.errors import AnysliceError
from anyslice.paths import dataset_of


@click.group(invoke_without_command=True)
@scale_option
@results_option
@click.pass_context
def runs(context: click.Context, scale: str, results: Path | None) -> None:
    """Write runs.csv: every training that a figure shows, with errors, MACs and wall time.

    With a command below: keep what is on disk in step with the scale's file.
    """
    if context.invoked_subcommand is not None:
        return
    from anyslice.analysis.tables import runs_table
    from anyslice.files import write_atomically

    loaded, folder = scale_and_results(scale, results)
    with write_atomically(folder / "runs.csv") as path:
        runs_table(loaded, loaded.shown, folder).to_csv(path, index=False)


@runs.command()
@click.argument("old")
@click.argument("new")
@scale_option
@results_option
@work_option
def rename(old: str, new: str, scale: str, results: Path | None, work: Path) -> None:
    """Give what was trained as OLD ("<dataset>/<run>") the name NEW; it is not trained again.

    Rename it in the scale's file first: runs and figures.
    """
    from anyslice.pipeline.runs import rename_run

    loaded, folder = scale_and_results(scale, results)
    full = new if "/" in new else f"{dataset_of(old)}/{new}"
    rename_run(loaded, old, full, folder, work)
    click.echo(f"{old} is {full} now; if DVC records the study: anyslice dvc-yaml, dvc commit")


@runs.command()
@click.argument("run")
@scale_option
@results_option
@work_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(run: str, scale: str, results: Path | None, work: Path, yes: bool) -> None:
    """Remove the results, checkpoints and records of RUN ("<dataset>/<run>")."""
    from anyslice.pipeline.runs import places_of, remove_run

    loaded, folder = scale_and_results(scale, results)
    places = places_of(loaded, run, folder, work)
    if not places:
        raise AnysliceError(f"there is nothing of a run {run!r} in {folder} and {work}")
    if not yes:
        click.confirm(f"remove {' '.join(map(str, places))}?", abort=True)
    remove_run(loaded, run, folder, work)
