"""Checkpoints on disk: whole and durable or not there, checked when read, the last two kept.

A checkpoint is two files. `epoch0003-step000120.safetensors` holds tensors; the JSON file of that
name is written after it and holds everything else, the SHA-256 of the first, and one of itself.
Nothing read here can run code.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

from anyslice.errors import AnysliceError
from anyslice.files import read_json, remove_half_written, write_atomically, write_json
from anyslice.jobs.identity import Identity

KEEP = 2


@dataclass(frozen=True)
class Checkpoint:
    """What was saved."""

    tensors: dict[str, Tensor]
    numbers: dict[str, Any]


class DamagedError(AnysliceError):
    """A checkpoint is not what was written."""


class Checkpoints:
    """The checkpoints of one training in a folder of its own; those of another are refused."""

    def __init__(self, folder: Path, identity: Identity) -> None:
        self.folder, self.identity = folder, identity

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, durably, then remove all but the last two.

        Raises:
            OSError: if it cannot be written; those before it are as they were.
        """
        numbers = checkpoint.numbers
        path = self.folder / f"epoch{numbers['epoch']:04d}-step{numbers['step']:06d}.json"
        data = save(checkpoint.tensors)
        with write_atomically(path.with_suffix(".safetensors")) as temporary:
            temporary.write_bytes(data)
        content = {
            "identity": asdict(self.identity),
            "tensors_sha256": hashlib.sha256(data).hexdigest(),
            "numbers": numbers,
        }
        write_content(path, content)
        self._tidy()

    def last(self) -> tuple[Checkpoint | None, list[str]]:
        """The last checkpoint that is not damaged, and a message for each one that is.

        Damaged ones are renamed, so that they neither count among the last two nor are tried again.

        Raises:
            AnysliceError: if it is a checkpoint of another run, seed, parameters, data or code.
        """
        messages: list[str] = []
        for path in reversed(self._paths()):
            try:
                return self._read(path), messages
            except DamagedError as error:
                for file in (path, path.with_suffix(".safetensors")):
                    if file.exists():
                        file.replace(file.with_name(f"{file.name}.damaged"))
                messages.append(
                    f"checkpoint {path.with_suffix('')} is damaged and not used: {error}"
                )
        return None, messages

    def why_not_an_older_one(self) -> str | None:
        """Why the newest checkpoint of this run and seed under another key is not used, if any."""
        others = [
            path for path in self.folder.parent.glob("*/epoch*.json") if path.parent != self.folder
        ]
        for path in sorted(others, key=lambda path: path.stat().st_mtime, reverse=True):
            try:
                found = read_json(path)["content"]["identity"]
            except (OSError, ValueError, KeyError, TypeError):
                continue
            differing = ", ".join(self._differences(found))
            return f"starting over: {path.with_suffix('')} is of another training ({differing})"
        return None

    def _differences(self, found: dict[str, Any]) -> list[str]:
        """The parts in which another identity differs; of code, the files."""
        expected = json.loads(json.dumps(asdict(self.identity)))
        differing = [key for key in expected if found.get(key) != expected[key]]
        if "code" not in differing or not isinstance(found.get("code"), dict):
            return differing
        mine, theirs = expected["code"], found["code"]
        files = sorted(f for f in mine.keys() | theirs.keys() if mine.get(f) != theirs.get(f))
        return [f"code {' '.join(files)}" if key == "code" else key for key in differing]

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("epoch*.json"))

    def _read(self, path: Path) -> Checkpoint:
        try:
            outer = read_json(path)
            content = outer["content"]
            intact = outer["sha256"] == _sha256_of(content)
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedError(f"{path.name} is not what was written ({error})") from error
        if not intact:
            raise DamagedError(f"{path.name} has another SHA-256 than it says")
        found = content["identity"]
        if differing := self._differences(found):
            raise AnysliceError(
                f"{path} is a checkpoint of another training: it differs in "
                f"{' and '.join(differing)} (it is of {found.get('run')} seed {found.get('seed')}, "
                f"this is {self.identity.run} seed {self.identity.seed}). Remove {path.parent} to "
                "train from the start; nothing was changed."
            )
        tensors = path.with_suffix(".safetensors")
        try:
            data = tensors.read_bytes()
        except FileNotFoundError:
            raise DamagedError(f"{tensors.name} is missing") from None
        if hashlib.sha256(data).hexdigest() != content["tensors_sha256"]:
            raise DamagedError(f"{tensors.name} has another SHA-256 than when it was written")
        return Checkpoint(load(data), content["numbers"])

    def _tidy(self) -> None:
        """Remove older checkpoints, and what a killed process left half-written."""
        paths = self._paths()
        for path in paths[:-KEEP]:
            path.unlink()
            path.with_suffix(".safetensors").unlink(missing_ok=True)
        kept = {path.stem for path in paths}
        for tensors in self.folder.glob("epoch*.safetensors"):
            if tensors.stem not in kept:
                tensors.unlink()
        remove_half_written(self.folder)


def write_content(path: Path, content: dict[str, Any]) -> None:
    """Write what the JSON file of a checkpoint holds, with its checksum."""
    write_json(path, {"sha256": _sha256_of(content), "content": content})


def _sha256_of(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
