"""Every number that the paper states as a result, beside the measured one.

params/claims.yaml holds the claims. A claim is *direction* and *value*: IS-ResNeXt needs fewer
FLOPs than MSDNet (direction), up to 43.3 % fewer (value). The direction is judged by the mean over
the seeds. The value agrees if the paper's lies in the 95 % interval of the mean (Student's t),
widened by half a unit of the last digit that the paper prints. Values are compared on the paper's
data only, not on a stand-in's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from anyslice.analysis.statistics import t_interval
from anyslice.analysis.tables import taxonomy_table
from anyslice.claims.measures import Measure, NotMeasurableError, Tables
from anyslice.config.checked_yaml import ParameterError, check, read_mapping
from anyslice.config.dataset import load_description
from anyslice.config.scale import Scale
from anyslice.files import write_atomically, write_text

_STRICT = ConfigDict(extra="forbid")
NOT_MEASURABLE = "not measurable at this scale"
EXPLANATION = (
    "Measured: the mean over the seeds and its 95 % interval (Student's t). The direction is "
    "judged by the mean; it is certain if the whole interval lies there. A value agrees if the "
    "paper's lies in the interval, up to its rounding; where other data stands in for the "
    "paper's, values are not compared."
)


@dataclass(frozen=True, config=_STRICT)
class Claim:
    """One number of the paper.

    Attributes:
        place: where the paper says so.
        quantity: what the number is, exactly.
        value: the paper's number, the two ends of its range, or None for a direction alone.
        unit: of the value.
        precision: one unit of the last digit that the paper prints.
        measure: how the quantity is computed.
        above: the direction that the claim asserts: the quantity is larger than this.
        below: or smaller than this; with neither the claim has no direction.
        bound: the value is the bound `above` or `below` itself ("more than 70 %").
    """

    place: str
    quantity: str
    value: float | tuple[float, float] | None
    unit: str
    precision: float
    measure: Measure
    above: float | None = None
    below: float | None = None
    bound: bool = False

    @property
    def direction(self) -> str:
        """The asserted direction in signs, such as "> 0"."""
        signs = ((">", self.above), ("<", self.below))
        return " and ".join(f"{sign} {bound:g}" for sign, bound in signs if bound is not None)

    def points_there(self, measured: float) -> bool:
        """Whether a measured value lies in the asserted direction."""
        return (self.above is None or measured > self.above) and (
            self.below is None or measured < self.below
        )

    def agrees(self, low: float, high: float) -> bool:
        """Whether the paper's value lies in a measured interval, up to its rounding."""
        ends = self.value if isinstance(self.value, tuple) else (self.value, self.value)
        first, last = (end for end in ends if end is not None)
        return low - self.precision / 2 <= last and first <= high + self.precision / 2


@dataclass(frozen=True, config=_STRICT)
class _File:
    claims: dict[str, Claim]


def load_claims(path: Path = Path("params/claims.yaml")) -> dict[str, Claim]:
    """The claims of the paper by name.

    Raises:
        ParameterError: if the file says something that cannot be.
        FileNotFoundError: if there is none.
    """
    claims = check(_File, read_mapping(path), path).claims
    for name, claim in claims.items():
        if claim.bound and claim.value not in (claim.above, claim.below):
            raise ParameterError(f"{path}: key 'claims.{name}': a bound is `above` or `below`")
    return claims


def read_tables(scale: Scale, results: Path) -> dict[str, pd.DataFrame]:
    """The tables of a scale's figures that are there, of its trainings ("runs") and taxonomies."""
    paths = {name: results / f"{name}.csv" for name in (*scale.figures, "runs")}
    tables = {name: pd.read_csv(path) for name, path in paths.items() if path.exists()}
    taxonomies = {
        f"taxonomy-{path.stem}": taxonomy_table(path)
        for path in sorted((results / "taxonomy").glob("*.json"))
    }
    return tables | taxonomies


def evaluate(claims: dict[str, Claim], scale: Scale, tables: Tables) -> pd.DataFrame:
    """Each claim beside its measured value.

    Returns:
        A row per claim: claim, place, figure, quantity, unit, paper, measured (mean over the
        seeds), low and high (95 % interval, Student's t; empty for one seed), seeds, by_seed,
        direction (asserted), direction_holds ("yes", "no" or empty), direction_certain (whether
        the whole interval lies there), value_agrees ("yes", "no", or "not measurable at this
        scale"), verdict ("holds", "direction holds, value differs", "fails", or "not measurable at
        this scale") and reason.
    """
    return pd.DataFrame(
        {"claim": name} | _evaluate(claim, scale, tables) for name, claim in claims.items()
    )


def _evaluate(claim: Claim, scale: Scale, tables: Tables) -> dict[str, Any]:
    row: dict[str, Any] = {
        "place": claim.place,
        "figure": claim.measure.figure,
        "quantity": claim.quantity,
        "unit": claim.unit,
        "paper": _text(claim.value),
        "measured": None,
        "low": None,
        "high": None,
        "seeds": 0,
        "by_seed": "",
        "direction": claim.direction,
        "direction_holds": "",
        "direction_certain": "",
    }
    try:
        values = [claim.measure.of_seed(tables, seed) for seed in scale.seeds]
    except NotMeasurableError as reason:
        return row | _verdict(NOT_MEASURABLE, NOT_MEASURABLE, str(reason))
    mean = float(np.mean(values))
    low, high = t_interval(values)
    row |= {
        "measured": mean,
        "low": low,
        "high": high,
        "seeds": len(values),
        "by_seed": " ".join(f"{value:.6g}" for value in values),
    }
    if claim.direction:
        certain = claim.points_there(low) and claim.points_there(high)
        row["direction_holds"] = "yes" if claim.points_there(mean) else "no"
        row["direction_certain"] = "yes" if certain else "no"
    return row | _judge(claim, mean, (low, high), stand_in_of(claim, scale))


def _judge(
    claim: Claim, mean: float, bounds: tuple[float, float], stand_in: str | None
) -> dict[str, str]:
    if claim.direction and not claim.points_there(mean):
        return _verdict("fails", NOT_MEASURABLE if stand_in else "no", stand_in or "")
    if stand_in:
        return _verdict("holds" if claim.direction else NOT_MEASURABLE, NOT_MEASURABLE, stand_in)
    if claim.value is None or claim.bound:
        return _verdict("holds", "yes" if claim.bound else "", "")
    low, high = (mean, mean) if np.isnan(bounds[0]) else bounds
    if claim.agrees(low, high):
        return _verdict("holds", "yes", "")
    return _verdict("direction holds, value differs" if claim.direction else "fails", "no", "")


def _verdict(verdict: str, value_agrees: str, reason: str) -> dict[str, str]:
    return {"value_agrees": value_agrees, "verdict": verdict, "reason": reason}


def stand_in_of(claim: Claim, scale: Scale) -> str | None:
    """Why a claim's value cannot be compared: other data stands in for the paper's. Or None."""
    figure = scale.figures.get(claim.measure.figure or "")
    dataset = getattr(figure, "dataset", None)
    if dataset is None:
        return None
    original = scale.datasets[dataset].stands_in_for
    if original is None:
        return None
    title = load_description(dataset).title.partition(",")[0]
    return f"{title} stands in for {original}: the value has no counterpart"


def write_claims(table: pd.DataFrame, scale: Scale, folder: Path) -> None:
    """Write claims.csv and claims.md."""
    with write_atomically(folder / "claims.csv") as path:
        table.to_csv(path, index=False)
    write_text(folder / "claims.md", as_markdown(table, scale))


def as_markdown(table: pd.DataFrame, scale: Scale) -> str:
    """The claims for people: a summary, what fails, then all in the paper's order."""
    lines = [
        f"# The paper's claims at the {scale.name} scale",
        "",
        summary(table, scale),
        "",
        EXPLANATION,
        "",
        readable(table).to_markdown(index=False),
        "",
    ]
    return "\n".join(lines)


def summary(table: pd.DataFrame, scale: Scale) -> str:
    """One sentence on the scale, one that counts the verdicts, one that names what fails."""
    counts = ", ".join(f"{verdict}: {n}" for verdict, n in table.verdict.value_counts().items())
    failing = ", ".join(table.claim[table.verdict == "fails"]) or "none"
    seeds = f"{len(scale.seeds)} seed" + ("s" if len(scale.seeds) > 1 else "")
    return (
        f"Scale {scale.name}: {scale.description}, {seeds}. {len(table)} claims; {counts}. "
        f"Failing: {failing}."
    )


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `evaluate` with few columns and rounded numbers."""
    return pd.DataFrame(
        {
            "claim": table.claim,
            "place": table.place,
            "figure": table.figure.fillna(""),
            "quantity": table.quantity,
            "paper": [f"{p} {u}".strip() for p, u in zip(table.paper, table.unit, strict=True)],
            "measured": [_measured(row) for _, row in table.iterrows()],
            "direction": [_direction(row) for _, row in table.iterrows()],
            "value agrees": table.value_agrees,
            "verdict": table.verdict,
            "reason": table.reason,
        }
    )


def _measured(row: pd.Series) -> str:
    if pd.isna(row.measured):
        return ""
    spread = "" if pd.isna(row.low) else f" [{row.low:.4g}, {row.high:.4g}]"
    return f"{row.measured:.4g}{spread} {row.unit}".strip()


def _direction(row: pd.Series) -> str:
    if not row.direction_holds:
        return str(row.direction)
    certain = ", certain" if row.direction_certain == "yes" else ""
    return f"{row.direction}: {row.direction_holds}{certain}"


def _text(value: float | tuple[float, float] | None) -> str:
    if value is None:
        return ""
    return "-".join(f"{v:g}" for v in (value if isinstance(value, tuple) else (value,)))
