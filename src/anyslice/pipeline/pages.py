"""Tables of published studies in the pages, between markers.

<!-- published study claims -->
| claim | ...
<!-- end -->
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import pandas as pd

from anyslice.errors import AnysliceError
from anyslice.files import write_text
from anyslice.pipeline.published import CLAIMS, FOLDER, Row, read_rows

PAGES = ("README.md", "docs/*.md")
PLACE = re.compile(
    r"^<!-- published (?P<scale>\S+) (?P<table>\S+) -->\n.*?^<!-- end -->$", re.M | re.S
)


def claims_table(folder: Path) -> str:
    """Every claim that was tested or counted: the abstract's first, then the primary ones."""
    from anyslice.claims.pages import by_weight, cells
    from anyslice.claims.verdict import read_verdicts

    rows = [
        {
            "claim": verdict.says,
            "paper": shown["paper"] or verdict.asserted,
            "measured": shown["measured"],
            "judged by": shown["judged by"],
            "test": verdict.test,
            "verdict": verdict.verdict,
        }
        for verdict in by_weight(read_verdicts(folder / CLAIMS))
        for shown in [cells(verdict)]
    ]
    return _markdown(pd.DataFrame(rows))


def trainings_table(folder: Path) -> str:
    """Test errors of every run: for each sub-network the mean, and the lowest and highest seed."""
    runs: dict[str, list[Row]] = defaultdict(list)
    for row in read_rows(folder):
        runs[row["metrics"]["run"]].append(row["metrics"])
    return _markdown(pd.DataFrame(cells for of_run in runs.values() for cells in _cells(of_run)))


def _cells(seeds: list[Row]) -> list[dict[str, str]]:
    """A run's rows, one for each level of labels."""
    first = seeds[0]
    return [
        {
            "run": first["run"] + (f", {labels} labels" if len(first["labels"]) > 1 else ""),
            "epochs": str(first["parameters"]["recipe"]["epochs"]),
            "seeds": str(len(seeds)),
            "million MACs": ", ".join(f"{n / 1e6:.1f}" for n in first["deployment"]["macs"]),
            "test error, %: mean (lowest to highest seed)": ", ".join(
                f"{mean(errors):.1f} ({min(errors):.1f} to {max(errors):.1f})"
                for k in range(len(first["test_error"]))
                for errors in [[seed["test_error_by_level"][k][level] for seed in seeds]]
            ),
        }
        for level, labels in enumerate(first["labels"])
    ]


def _markdown(table: pd.DataFrame) -> str:
    """A Markdown table, its columns not padded."""
    rows = [list(table.columns), ["--"] * len(table.columns), *table.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows).replace("| -- ", "|--") + "\n"


TABLES: dict[str, Callable[[Path], str]] = {"claims": claims_table, "trainings": trainings_table}


def filled(text: str, published: Path = FOLDER) -> str:
    """A page with its tables as the published studies have them.

    Raises:
        AnysliceError: if a marker asks for a table that there is not.
    """

    def table_at(place: re.Match[str]) -> str:
        folder, name = published / place["scale"], place["table"]
        if name not in TABLES or not folder.is_dir():
            raise AnysliceError(
                f"a page asks for the table {name!r} of {folder}: choose from "
                f"{', '.join(TABLES)}, of a folder of published/"
            )
        head = place[0].partition("\n")[0]
        return f"{head}\n{TABLES[name](folder)}<!-- end -->"

    return PLACE.sub(table_at, text)


def fill_pages(*, check: bool) -> list[Path]:
    """Write the tables of all pages, or only compare; the pages that differed."""
    different = []
    for path in sorted(path for pattern in PAGES for path in Path().glob(pattern)):
        text = path.read_text(encoding="utf-8")
        if (new := filled(text)) != text:
            different.append(path)
            if not check:
                write_text(path, new)
    return different
