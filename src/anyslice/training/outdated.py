"""Whether a finished training is still what the code, parameters and data in force would give."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from anyslice.files import sha256
from anyslice.params import Run


def changes_since(metrics: dict[str, Any], run: Run, code: str, manifest: Path) -> list[str]:
    """What has changed since a training, in words; nothing if it is up to date.

    Args:
        metrics: its metrics.json.
        run: the parameters in force.
        code: `identity.code_sha256()`.
        manifest: of the data set in force; not compared where it does not exist.
    """
    changes = []
    if metrics["parameters"] != json.loads(json.dumps(asdict(run))):
        changes.append("parameters")
    if manifest.exists() and metrics["data_manifest_sha256"] != sha256(manifest):
        changes.append("data")
    if metrics["code_sha256"] != code:
        changes.append("code")
    return changes
