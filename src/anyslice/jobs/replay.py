"""Proof that an edit changed nothing: the first steps of trainings, by two versions of the code.

A training's key has the checksums of the code that it imports, so an edit outdates it: a renamed
helper as well as another epsilon. `replay` trains the first steps of a scale's runs with the code
of a commit and with the code here, and compares all bytes: weights, statistics, momentum, losses
and errors, across evaluations and a resume. Code that agrees is recorded in `identity.EQUAL_CODE`;
from then on keys, `status` and `verify` take it for the same.

It shows what the first steps show, on this machine and on random images. Runs on image files are
not replayed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

import torch
from safetensors.torch import save_file

from anyslice.config.dataset import load_description
from anyslice.config.scale import Scale, canonical
from anyslice.costs.machine import device_name
from anyslice.datasets.manifest import write_manifest, write_split
from anyslice.datasets.prepare import describe
from anyslice.datasets.tensors import FILES
from anyslice.errors import AnysliceError
from anyslice.files import sha256
from anyslice.jobs.first_steps import EPOCHS
from anyslice.jobs.identity import LOOP, PACKAGE, STORAGES, code_of, record_equal
from anyslice.paths import dataset_of, user_cache

BATCHES = 2
"""Steps of an epoch; validation and test have a batch each."""

DRIVER = PACKAGE / "jobs/first_steps.py"


@dataclass(frozen=True)
class Replay:
    """What came of a replay, by runs named "<dataset>/<run>".

    Attributes:
        unchanged: import the same code in both versions.
        equal: agreed in every byte.
        differing: for each of the others the first difference, in words.
    """

    unchanged: tuple[str, ...]
    equal: tuple[str, ...]
    differing: dict[str, str]


def replay(scale: Scale, commit: str) -> Replay:
    """Compare the code here with that of a commit, and record which runs it is equal for.

    Raises:
        AnysliceError: if there is no such commit, or a version cannot train the scale's runs.
    """
    with tempfile.TemporaryDirectory() as name, _checkout(commit, Path(name)) as before:
        old = {run: _code(scale, run, before / "src" / PACKAGE.name) for run in scale.listed}
        new = {run: _code(scale, run, PACKAGE) for run in scale.listed}
        changed = [run for run in scale.listed if old[run] != new[run]]
        alike = {run: _alike(scale, run) for run in changed}
        first = {key: run for run, key in reversed(alike.items())}
        there = [run for run in first.values() if old[run]]
        found = dict.fromkeys(first.values(), f"has no code at {commit}")
        found |= _compare(scale, there, before / "src", Path(name))
    differing = {run: difference for run, key in alike.items() if (difference := found[first[key]])}
    equal = [run for run in changed if run not in differing]
    machine = device_name(torch.device("cpu"))
    evidence = {"steps": EPOCHS * BATCHES, "machine": machine, "torch": torch.__version__}
    record_equal({run: (scale.run(run), new[run], old[run]) for run in equal}, evidence)
    unchanged = tuple(run for run in scale.listed if run not in changed)
    return Replay(unchanged, tuple(equal), differing)


@contextmanager
def _checkout(commit: str, folder: Path) -> Iterator[Path]:
    """A worktree of a commit, below a folder."""
    tree = folder / "before"
    added = ["git", "worktree", "add", "--detach", str(tree), commit]
    done = subprocess.run(added, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AnysliceError(f"cannot check out {commit!r}: {done.stderr.strip()}")
    try:
        yield tree
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", str(tree)], check=True)


def _code(scale: Scale, run: str, package: Path) -> dict[str, str]:
    """What a run imports, as `code_of` gives it; nothing if there is no such code."""
    storage = load_description(dataset_of(run)).storage
    try:
        return code_of([LOOP, STORAGES[storage], scale.run(run).network.file], package)
    except FileNotFoundError:
        return {}


def _alike(scale: Scale, run: str) -> str:
    """Equal for runs whose first steps are the same: names and numbers of epochs are left out."""
    described, of_run = load_description(dataset_of(run)), scale.run(run)
    recipe = replace(of_run.recipe, epochs=1)
    shape = (described.storage, described.image_size, described.image_channels)
    labels = (len(described.classes), described.levels if of_run.hierarchy else ())
    return f"{canonical(replace(of_run, recipe=recipe))} {shape} {labels}"


def _compare(scale: Scale, runs: list[str], before: Path, folder: Path) -> dict[str, str]:
    """For each run the first difference between two versions of the code, "" for none."""
    on_files = [run for run in runs if load_description(dataset_of(run)).storage == "files"]
    found = dict.fromkeys(on_files, "is on image files, which are not replayed")
    jobs = {run: str(_random_images(run, scale, folder)) for run in runs if run not in on_files}
    if not jobs:
        return found
    order = {"scale": str(Path(scale.path).resolve()), "folder": str(Path("params").resolve())}
    path = folder / "jobs.json"
    path.write_text(json.dumps(order | {"threads": scale.threads, "runs": jobs}))
    # Two processes of `threads` threads each, side by side.
    started = [_start(path, source) for source in (before, PACKAGE.parent)]
    outputs = [process.communicate() for process in started]
    for process, (_, errors), version in zip(started, outputs, ("earlier", "present"), strict=True):
        if process.returncode:
            raise AnysliceError(f"the {version} code cannot be replayed:\n{errors.strip()}")
    old, new = (_by_run(text) for text, _ in outputs)
    return found | {run: _first_difference(old[run], new[run]) for run in jobs}


def _start(jobs: Path, source: Path) -> subprocess.Popen[str]:
    # -P: the driver's own folder has modules too. The cache outlives the earlier code's worktree.
    cache = {"NUMBA_CACHE_DIR": str(user_cache() / "anyslice")}
    return subprocess.Popen(
        [sys.executable, "-P", str(DRIVER), str(jobs)],
        env=os.environ | cache | {"PYTHONPATH": str(source)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _by_run(text: str) -> Mapping[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for line in text.splitlines():
        found.setdefault((record := json.loads(line))["run"], []).append(record)
    return found


def _first_difference(old: list[dict[str, str]], new: list[dict[str, str]]) -> str:
    for a, b in zip_longest(old, new, fillvalue={"at": "the end", "tensor": "nothing"}):
        if a != b:
            return f"differs first at {b['at']}, in {b['tensor']}"
    return ""


def _random_images(run: str, scale: Scale, folder: Path) -> Path:
    """A prepared data set of the size and labels of the run's, with a few random images."""
    described = load_description(dataset_of(run))
    batch = scale.run(run).recipe.batch_size
    output = folder / f"{dataset_of(run)}-{batch}"
    if output.exists():
        return output
    output.mkdir()
    generator = torch.Generator().manual_seed(0)
    shape = (described.image_size, described.image_size, described.image_channels)
    for part, images in (("train", (BATCHES + 1) * batch), ("test", batch)):
        tensors = {
            "images": torch.randint(256, (images, *shape), generator=generator).to(torch.uint8),
            "labels": torch.randint(len(described.classes), (images,), generator=generator),
        }
        save_file(tensors, output / FILES[part])
    write_split(output, seed=0, validation=list(range(batch)))
    files = {path.name: sha256(path) for path in sorted(output.iterdir())}
    counts = replace(described.counts, train=BATCHES * batch, validation=batch, test=batch)
    write_manifest(output, replace(describe(described, files), counts=counts))
    return output
