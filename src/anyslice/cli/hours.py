"""`anyslice hours`: how long the trainings of a scale may take on a GPU."""

from __future__ import annotations

from pathlib import Path

import click

from anyslice.cli.options import fail_clearly, scale_option


@click.command()
@click.argument("figures", nargs=-1)
@scale_option
@click.option(
    "--peak",
    type=click.FloatRange(min=0, min_open=True),
    required=True,
    help="The GPU's fp32 rate in 10^12 multiply-adds per second: half of its TFLOP/s.",
)
@click.option(
    "--bench",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("results/bench.json"),
    show_default=True,
    help="What `anyslice bench` wrote: the share of the peak that each family reaches.",
)
@fail_clearly
def hours(figures: tuple[str, ...], scale: str, peak: float, bench: Path) -> None:
    """Estimate GPU hours of the runs that FIGURES show (default: all), as a table.

    Needs results/<scale>/flops, by `snakemake --cores 1 flops`. Runs of 0 epochs are left out.
    """
    from anyslice.config.dataset import load_description
    from anyslice.config.scale import load_scale
    from anyslice.costs.hours import as_markdown, estimate, shares_of_peak, teramacs_of
    from anyslice.files import read_json

    loaded = load_scale(scale)
    shown = [f"{f.dataset}/{run}" for f in map(loaded.figure, figures) for run in f.runs]
    if not bench.exists():
        raise ValueError(f"there is no {bench}: run `anyslice bench --output {bench}` first")
    shares = shares_of_peak(read_json(bench))
    rows = []
    for name in dict.fromkeys(shown or loaded.shown):
        run = loaded.run(name)
        if run.recipe.epochs == 0:
            continue
        counted = Path("results") / loaded.name / "flops" / f"{name}.json"
        if not counted.exists():
            raise ValueError(
                f"there is no {counted}: run `anyslice flops {name} --scale {scale}` first"
            )
        flops = read_json(counted)
        data = load_description(name.partition("/")[0])
        teramacs = teramacs_of(run, flops["cumulative_macs"][-1], data)
        family = run.network.name
        if family not in shares:
            raise ValueError(
                f"{bench} has no {family!r}; run `anyslice bench --scale {scale} {name}`, or "
                "`anyslice bench` for all networks of the paper"
            )
        rows.append(estimate(name, teramacs, loaded.gpus_of(name), shares[family], peak))
    click.echo(as_markdown(rows, len(loaded.seeds)))
