"""`anyslice bench`: how fast the networks train here, and images are augmented."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from anyslice.cli.options import fail_clearly


@click.command()
@click.argument("networks", nargs=-1)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("results/bench.json"),
    show_default=True,
    help="File for the figures and the machine they were measured on.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="How often each step is timed; medians count.",
)
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads.  [default: all cores]")
@fail_clearly
def bench(networks: tuple[str, ...], output: Path, rounds: int, threads: int | None) -> None:
    """Time training steps of NETWORKS (default: all) at their CIFAR sizes, on this CPU.

    Beside images/s: multiply-adds per second, their share of the machine's own matrix product, the
    time in steps of a single ResNeXt of the same L, W, B and C, and how much longer the same
    network takes trained plainly. Then images/s of augmentation in batches, against torchvision's
    transforms image by image in 2 workers.
    """
    import torch

    from anyslice.costs import bench as benchmark
    from anyslice.costs.augmentation_speed import compare_on_embedded_images
    from anyslice.files import write_json
    from anyslice.memory import keep_freed_memory

    unknown = [name for name in networks if name not in benchmark.CIFAR_SIZES]
    if unknown:
        choices = ", ".join(benchmark.CIFAR_SIZES)
        raise click.UsageError(f"no network {unknown[0]!r} to time: choose from {choices}")
    if threads:
        torch.set_num_threads(threads)
    keep_freed_memory()
    speeds = {}
    click.echo("{cpu}, {threads} of {cores} threads, torch {torch}".format(**benchmark.machine()))
    click.echo(benchmark.HEADER)
    for name, speed in benchmark.bench(networks or tuple(benchmark.CIFAR_SIZES), rounds):
        click.echo(benchmark.as_line(name, speed))
        speeds[name] = speed
    augmentation = compare_on_embedded_images()
    click.echo(
        f"augmentation: {augmentation.batched:.0f} images/s in batches, "
        f"{augmentation.per_image:.0f} one by one, {augmentation.ratio:.0f} times as fast"
    )
    compared = asdict(augmentation) | {"ratio": augmentation.ratio}
    write_json(output, benchmark.as_json(speeds) | {"augmentation": compared})
