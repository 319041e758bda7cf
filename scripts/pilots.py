"""Choose the learning rate of runs by pilots on validation images (docs/plan.md).

    python scripts/pilots.py cifar10/i-resnext cifar10/msdnet --jobs 2

Trains each run of the scale `pilot` with each rate, resumes what was interrupted, and writes a row
for each pilot into the table: the validation error of every sub-network, and their mean, by which
the rate is chosen. Test images are not predicted.
"""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from statistics import fmean
from threading import Lock
from typing import Any

import click
import pandas as pd

RATES = (0.05, 0.1, 0.2, 0.4)
COLUMNS = {
    "run": "string",
    "learning_rate": "float64",
    "mean_validation_error": "float64",
    "validation_errors": "string",
    "seed": "Int64",
    "epochs": "Int64",
    "weights_sha256": "string",
}
WRITING = Lock()


def pilot(run: str, rate: float, work: Path, table: Path) -> None:
    """Train one pilot and write its row; a diverged one has no errors."""
    output = work / run / f"rate{rate:g}"
    command = ["anyslice", "train", run, "--scale", "pilot", "--no-test", "--output", str(output)]
    command += ["--set", f"recipe.learning_rate={rate}"]
    done = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
    if done.returncode and "diverged" not in done.stderr:
        sys.stderr.write(done.stderr)
        return
    row: dict[str, Any] = {"run": run, "learning_rate": rate}
    if not done.returncode:
        metrics = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
        errors = metrics["validation_error"]
        row |= {
            "mean_validation_error": fmean(errors),
            "validation_errors": " ".join(f"{error:g}" for error in errors),
            "seed": metrics["seed"],
            "epochs": metrics["parameters"]["recipe"]["epochs"],
            "weights_sha256": metrics["weights_sha256"],
        }
    with WRITING:
        write(row, table)


def write(row: dict[str, Any], table: Path) -> None:
    """Add a row to the table, in place of an earlier one of the same pilot."""
    key = ["run", "learning_rate"]
    rows = pd.concat([*([pd.read_csv(table)] if table.exists() else []), pd.DataFrame([row])])
    rows = rows.drop_duplicates(key, keep="last").sort_values(key)
    rows.reindex(columns=list(COLUMNS)).astype(COLUMNS).to_csv(
        table, index=False, float_format="%g"
    )


@click.command()
@click.argument("runs", nargs=-1, required=True)
@click.option("--jobs", default=2, help="Pilots at a time.")
@click.option("--work", default="work/pilots", type=click.Path(path_type=Path))
@click.option("--table", default="docs/pilots.csv", type=click.Path(path_type=Path))
def main(runs: tuple[str, ...], jobs: int, work: Path, table: Path) -> None:
    """Pilot RUNS, "<dataset>/<run>" of the scale pilot, and print the rate of each."""
    with ThreadPoolExecutor(jobs) as pool:
        pilots = [pool.submit(pilot, run, rate, work, table) for run, rate in product(runs, RATES)]
    for finished in pilots:
        finished.result()
    best = pd.read_csv(table).sort_values(["mean_validation_error", "learning_rate"])
    click.echo(best.drop_duplicates("run")[list(COLUMNS)[:3]].to_string(index=False))


if __name__ == "__main__":
    main()
