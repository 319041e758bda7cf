"""What scales, data sets, runs and figures can be called, as files, folders and rules are."""

from __future__ import annotations

import re

PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

RULES = """
    all fetch prepare train flops draw fetch_parents taxonomy taxonomy_figure
    measure_latency latency list_runs check_claims claims report
"""
OTHERS = "fig1 fig2 runs curves"
NO_FIGURES = frozenset(f"{RULES} {OTHERS}".split())
"""Names that figures cannot have: of the Snakefile's rules, and of what else is in results/."""


def problem_of(what: str, name: str) -> str | None:
    """Why something cannot be called so, as a sentence; None if it can."""
    if not PATTERN.fullmatch(name) or name.endswith(".yaml"):
        return f"a {what} cannot be called {name!r}; letters, digits, '-', '_' and '.' will do"
    if what == "figure" and (name in NO_FIGURES or name.startswith("taxonomy-")):
        return f"a figure cannot be called {name!r}: a file or a rule has that name"
    return None
