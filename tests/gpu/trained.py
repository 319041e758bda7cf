"""A training in a process of its own: python trained.py DATA WORK FAMILY DEVICE [OPTION ...].

It saves a checkpoint after almost every step, goes on from the last, and writes what it ends with
to WORK/result.json. Where to kill it is the caller's business.
"""

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import torch
from steps import RECIPE

from anyslice.config.families import IResNeXtParams, ISResNeXtParams, MSDNetParams
from anyslice.config.scale import Run
from anyslice.datasets import open_dataset
from anyslice.jobs.checkpoint import Checkpoints
from anyslice.jobs.identity import Identity
from anyslice.jobs.interrupt import Interrupts
from anyslice.jobs.session import ResumableSession
from anyslice.training.loop import train
from anyslice.training.options import Options, make_deterministic

FAMILIES = {
    "i-resnext": IResNeXtParams(name="i-resnext", L=3, W=16, B=4, C=4, K=4),
    "is-resnext": ISResNeXtParams(name="is-resnext", L=3, W=16, B=4, C=4, K=4),
    "msdnet": MSDNetParams("msdnet", 3, 2, 1, 8, 4, (1, 2, 4), (1, 2, 4)),
}
MINUTES = 0.1 / 60


def main() -> None:
    """Train, or go on."""
    data, work, family, device, *switches = sys.argv[1:]
    options = Options(**dict.fromkeys(switches, True))
    make_deterministic(1, options)
    identity = Identity(run="noise/run", seed=1, parameters={}, data="", code={})
    session = ResumableSession(
        Checkpoints(Path(work), identity),
        minutes=MINUTES,
        interrupts=Interrupts(),
        device=torch.device(device),
    )
    run = Run(
        network=FAMILIES[family], recipe=replace(RECIPE, epochs=12 if device == "cuda" else 3)
    )
    trained = train(
        run,
        open_dataset(Path(data)),
        1,
        device=torch.device(device),
        session=session,
        options=options,
    )
    digest = hashlib.sha256()
    for tensor in (*trained.network.state_dict().values(), trained.test.labels):
        digest.update(tensor.contiguous().numpy().tobytes())
    result = {
        "sha256": digest.hexdigest(),
        "losses": [epoch.train_losses for epoch in trained.history],
        "errors": trained.test.errors,
    }
    (Path(work) / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
