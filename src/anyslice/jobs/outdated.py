"""Whether a finished training is still what the code, parameters and data in force would give."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from anyslice.config.scale import Run
from anyslice.files import sha256
from anyslice.jobs.identity import code_sha256, file_of


@cache
def today(name: str) -> str | None:
    """The checksum of a file of code as it is now, or None if it is gone."""
    path = file_of(name)
    return code_sha256(path) if path is not None and path.is_file() else None


def changes_since(metrics: dict[str, Any], run: Run, manifest: Path) -> list[str]:
    """What has changed since the training of a metrics.json, in words; nothing if it is up to date.

    Where there is no manifest, data are not compared.
    """
    changes = []
    if metrics["parameters"] != json.loads(json.dumps(asdict(run))):
        changes.append("parameters")
    if manifest.exists() and metrics["data_manifest_sha256"] != sha256(manifest):
        changes.append("data")
    files = [name for name, recorded in metrics["code_sha256"].items() if recorded != today(name)]
    if files:
        changes.append(f"code ({', '.join(files)})")
    return changes
