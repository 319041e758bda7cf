"""`anyslice make`: Snakemake, after a crash too."""

from __future__ import annotations

import os
from pathlib import Path

import click
from filelock import FileLock

from anyslice.jobs.slurm import wait_for_jobs
from anyslice.pipeline.recovery import (
    STARTING,
    refuse_lock_of_another_host,
    refuse_read_only_folder,
    remove_stale_lock,
    use_writable_cache,
    wait_for_snakemake,
)


class PassedOn(click.Command):
    """A command that keeps `--`, which would end the options of click."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Double the first one, of which click takes one away."""
        at = args.index("--") if "--" in args else len(args)
        return super().parse_args(ctx, [*args[:at], *args[at : at + 1], *args[at:]])


@click.command(
    "make",
    cls=PassedOn,
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[SNAKEMAKE ARGUMENTS]...")
def make(arguments: tuple[str, ...]) -> None:
    """Run Snakemake with the same arguments, also after it was killed.

    It waits for an earlier Snakemake that still works in this folder, and for SLURM jobs that one
    has left, and removes the lock of one that was killed on this machine. ANYSLICE_PROFILE names a
    workflow profile to use, such as profiles/slurm. DVC's stages run through it.
    """
    refuse_read_only_folder()
    use_writable_cache()
    wait_for_snakemake()
    refuse_lock_of_another_host()
    wait_for_jobs(Path.cwd())
    with FileLock(STARTING):  # of several that have waited, one starts and the others wait again
        wait_for_snakemake()
        remove_stale_lock()
        wait_for_jobs(Path.cwd())
        profile = os.environ.get("ANYSLICE_PROFILE")
        options = ["--workflow-profile", profile] if profile else []
        # The lock ends where this process becomes Snakemake, which then holds its own.
        os.execvp("snakemake", ["snakemake", *options, *arguments])
