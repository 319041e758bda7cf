"""What scales, data sets, runs and figures can be called, as files, folders and rules are."""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated

from pydantic import AfterValidator

from anyslice.config.checked_yaml import ParameterError

PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

RULES = """
    all fetch prepare train flops draw fetch_parents taxonomy taxonomy_figure
    measure_latency latency list_runs check_claims claims report
"""
OTHERS = "fig1 fig2 runs curves"
NO_FIGURES = frozenset(f"{RULES} {OTHERS}".split())
"""Names that figures cannot have: of the Snakefile's rules, and of what else is in results/."""


def check_name(what: str, name: str) -> str:
    """The name, if something can be called so.

    Raises:
        ParameterError: if it cannot.
    """
    if not PATTERN.fullmatch(name) or name.endswith(".yaml"):
        raise ParameterError(
            f"a {what} cannot be called {name!r}; letters, digits, '-', '_' and '.' will do"
        )
    if what == "figure" and (name in NO_FIGURES or name.startswith("taxonomy-")):
        raise ParameterError(f"a figure cannot be called {name!r}: a file or a rule has that name")
    return name


ScaleName = Annotated[str, AfterValidator(partial(check_name, "scale"))]
DatasetName = Annotated[str, AfterValidator(partial(check_name, "data set"))]
RunName = Annotated[str, AfterValidator(partial(check_name, "run"))]
FigureName = Annotated[str, AfterValidator(partial(check_name, "figure"))]
