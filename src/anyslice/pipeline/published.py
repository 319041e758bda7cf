"""A study as data: published/<scale> holds its tables, its pictures and one table of trainings.

results/ is output and in no repository. What is published needs neither data nor weights: figures,
claims and report are drawn from it, and finished trainings are put back into results/.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from anyslice.analysis.tables import taxonomy_table
from anyslice.config.dataset import load_description
from anyslice.config.scale import Scale
from anyslice.errors import AnysliceError
from anyslice.files import read_json, write_json, write_text
from anyslice.paths import ERRORS, HISTORY, METRICS, TIMING, training_folder

Row = dict[str, Any]

FOLDER = Path("published")
TRAININGS = "trainings.json"
RUNS, CLAIMS, LATENCY = "runs.csv", "claims.csv", "latency.json"
TAXONOMY = "taxonomy-"
FILES = {"metrics": METRICS, "errors": ERRORS, "timing": TIMING}
"""Of each training, by key in TRAININGS; beside them `history`, the text of history.csv."""


def write(scale: Scale, results: Path, folder: Path) -> None:
    """Publish what a scale's results have: tables, pictures, trainings; and judge the claims.

    What they lack stays as it was published, so that a study may grow on several machines: of each
    training of the scale the results' own is taken, else the published one.
    """
    from anyslice.claims.claim import load_claims
    from anyslice.claims.judge import evaluate
    from anyslice.claims.verdict import write_verdicts

    folder.mkdir(parents=True, exist_ok=True)
    tables = [f"{figure}.csv" for figure in scale.figures]
    pictures = [f"{name}.png" for name in (*scale.figures, "latency")]
    for name in (*tables, *pictures, RUNS, LATENCY):
        if (results / name).exists():
            shutil.copy(results / name, folder / name)
    for path in (results / "taxonomy").glob("*.json"):
        shutil.copy(path, folder / f"{TAXONOMY}{path.name}")
    known = {(row["metrics"]["run"], row["metrics"]["seed"]): row for row in read_rows(folder)}
    known |= {(run, seed): row for run, seed, row in _finished(scale, results)}
    write_rows(folder, [known[key] for key in sorted(known) if key[0] in scale.listed])
    write_verdicts(evaluate(load_claims(), scale, read_published(scale, folder)), folder / CLAIMS)


def read_published(scale: Scale, folder: Path) -> dict[str, pd.DataFrame]:
    """The published tables that claims are judged by."""
    from anyslice.claims.judge import read_tables

    tables = read_tables(
        path for name in (*scale.figures, "runs") if (path := folder / f"{name}.csv").exists()
    )
    for path in folder.glob(f"{TAXONOMY}*.json"):
        tables |= {path.stem: taxonomy_table(path)}
    return tables


def _finished(scale: Scale, results: Path) -> Iterator[tuple[str, int, Row]]:
    """The finished trainings of a scale's runs, of any seed."""
    for run in scale.listed:
        for path in training_folder(results, run, 0).parent.glob(f"seed*/{METRICS}"):
            row = {key: read_json(path.with_name(name)) for key, name in FILES.items()}
            history = path.with_name(HISTORY)
            row["history"] = history.read_text(encoding="utf-8") if history.exists() else None
            yield run, row["metrics"]["seed"], row


def write_rows(folder: Path, rows: list[Row]) -> None:
    """Write the table of trainings: a line each; the code that many share stands once."""
    code: dict[str, Any] = {}
    lines = []
    for row in rows:
        digests = row["metrics"]["code_sha256"]
        key = hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()[:16]
        code[key] = digests
        # The place of the key in metrics.json stays, so that the file comes back byte for byte.
        metrics = {k: key if k == "code_sha256" else v for k, v in row["metrics"].items()}
        lines.append(json.dumps(row | {"metrics": metrics}, ensure_ascii=False))
    head = json.dumps(code, indent=1, sort_keys=True)
    text = ",\n".join(lines)
    write_text(folder / TRAININGS, f'{{"code": {head},\n"trainings": [\n{text}\n]}}\n')


def read_rows(folder: Path) -> list[Row]:
    """The published trainings, each with its `metrics`, `errors`, `timing` and `history`."""
    if not (folder / TRAININGS).exists():
        return []
    table = read_json(folder / TRAININGS)
    rows: list[Row] = table["trainings"]
    for row in rows:
        row["metrics"]["code_sha256"] = table["code"][row["metrics"]["code_sha256"]]
    return rows


def restore(scale: Scale, folder: Path, results: Path) -> int:
    """Put published trainings into a scale's results, where there are none; how many.

    Weights are not published: what needs them is trained again when it is asked for.
    """
    restored = 0
    for row in read_rows(folder):
        run, seed = row["metrics"]["run"], row["metrics"]["seed"]
        place = training_folder(results, run, seed)
        if run not in scale.listed or (place / METRICS).exists():
            continue
        if row["history"] is not None:
            write_text(place / HISTORY, row["history"])
        for key in ("errors", "timing", "metrics"):  # the last one says that it is finished
            write_json(place / FILES[key], row[key])
        restored += 1
    return restored


def draw(scale: Scale, folder: Path, output: Path) -> None:
    """Draw every published figure, judge the claims and write the report, from tables alone.

    Raises:
        AnysliceError: if nothing of the scale is published.
    """
    from anyslice.claims.claim import load_claims
    from anyslice.claims.judge import evaluate
    from anyslice.claims.pages import write_markdown
    from anyslice.claims.report import write_report
    from anyslice.claims.verdict import write_verdicts

    tables = read_published(scale, folder)
    names = [name for name in scale.figures if name in tables]
    if not names:
        raise AnysliceError(f"{folder} has no figure of the scale {scale.name}")
    output.mkdir(parents=True, exist_ok=True)
    for name in names:
        _draw_figure(scale, name, folder, output)
    _draw_latency(folder, output)
    pictures = {name: output / f"{name}.png" for name in names}
    for path in sorted(folder.glob(f"{TAXONOMY}*.json")):
        pictures[path.stem] = _draw_taxonomy(path, output)
    verdicts = evaluate(load_claims(), scale, tables)
    write_verdicts(verdicts, output / CLAIMS)
    write_markdown(verdicts, scale, output / "claims.md")
    if "runs" in tables:
        shutil.copy(folder / RUNS, output / RUNS)
        write_report(scale, verdicts, tables["runs"], pictures, output / "report.html")


def _draw_figure(scale: Scale, name: str, folder: Path, output: Path) -> None:
    from anyslice.figures import KINDS, face_of
    from anyslice.figures.style import pdf_and_png, save

    shutil.copy(folder / f"{name}.csv", output / f"{name}.csv")
    table = pd.read_csv(folder / f"{name}.csv", float_precision="round_trip")
    face = face_of(scale, name)
    _, draw_table = KINDS[scale.figure(name).kind]
    save(draw_table(table, face), *pdf_and_png(output / name))


def _draw_latency(folder: Path, output: Path) -> None:
    from anyslice.costs.machine import Machine
    from anyslice.figures import latency

    if (folder / LATENCY).exists():
        found = read_json(folder / LATENCY)
        machine = Machine(**found["machine"])
        latency.draw(pd.DataFrame(found["rows"]), machine, output / "latency.pdf")


def _draw_taxonomy(path: Path, output: Path) -> Path:
    from anyslice.figures import taxonomy_tree
    from anyslice.taxonomy.record import read_taxonomy

    taxonomy = read_taxonomy(path)
    title = load_description(taxonomy.dataset).title
    taxonomy_tree.draw(taxonomy, title=title, stem=output / path.stem)
    return output / f"{path.stem}.png"
