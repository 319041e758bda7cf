"""Train the first steps of some runs and print a checksum of everything they compute.

    python first_steps.py JOBS.json

A script that `replay` runs twice, with this code's package and with that of an earlier commit in
PYTHONPATH. So it knows few names of the package, and those are to keep their meaning: `load_scale`,
`open_dataset`, `train`, `Session`, and of a `State` `tensors`, `numbers` and `restore`.

Of each run it trains two epochs of two steps on a small data set, with evaluations, stopped after
the third step and resumed from the state at that point.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from anyslice.config.scale import load_scale
from anyslice.datasets import open_dataset
from anyslice.training.loop import train
from anyslice.training.options import Options, make_deterministic
from anyslice.training.session import Session
from anyslice.training.state import State

EPOCHS = 2
STOP_AFTER = 3
"""Steps of all epochs."""


class StopOnce(Exception):  # noqa: N818
    """The training was stopped, to be resumed."""


class Recorder(Session):
    """Prints the checksums of a state after each step and epoch; stops and resumes once."""

    def __init__(self, run: str) -> None:
        self.run = run
        self.steps = 0
        self.saved: tuple[dict[str, torch.Tensor], dict[str, Any]] | None = None

    def restore(self, state: State) -> None:
        """Continue from where this was stopped."""
        if self.saved is not None:
            state.restore(*self.saved)

    def after_step(self, state: State) -> None:
        """Record; stop the first time that STOP_AFTER is reached."""
        self.steps += 1
        self.record(f"step {self.steps}", state.tensors())
        if self.steps == STOP_AFTER and self.saved is None:
            copied = {name: tensor.clone() for name, tensor in state.tensors().items()}
            self.saved = copied, state.numbers()
            raise StopOnce

    def after_epoch(self, state: State) -> None:
        """Record what the evaluation found."""
        errors = torch.tensor(state.history[-1].validation_errors)
        self.record(f"epoch {len(state.history)}", {"validation errors": errors})

    def record(self, at: str, tensors: dict[str, torch.Tensor]) -> None:
        """Print a line for each tensor."""
        for name, tensor in tensors.items():
            digest = hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()
            line = {"run": self.run, "at": at, "tensor": name, "sha256": digest}
            print(json.dumps(line), flush=True)


def main() -> None:
    """Train what a file lists: {"scale", "folder", "threads", "runs": {run: data folder}}."""
    jobs = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    make_deterministic(jobs["threads"], Options())
    scale = load_scale(jobs["scale"], folder=Path(jobs["folder"]))
    for name, folder in jobs["runs"].items():
        run, dataset = scale.run(name), open_dataset(Path(folder))
        recipe = replace(run.recipe, epochs=EPOCHS, milestones=run.recipe.milestones[:1])
        levels = dataset.manifest.level_labels if run.hierarchy else None
        recorder = Recorder(name)
        for _ in range(2):
            try:
                train(
                    replace(run, recipe=recipe),
                    dataset,
                    scale.seeds[0],
                    device=torch.device("cpu"),
                    level_maps=levels,
                    session=recorder,
                )
                break
            except StopOnce:
                continue


if __name__ == "__main__":
    main()
