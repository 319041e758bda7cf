"""`anyslice`, also as `python -m anyslice`."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def start() -> None:
    """Run the command line, by the code of the checkout that it is called in.

    A git worktree and DVC's queued and temporary experiments are checkouts of their own, but share
    the environment of the first one, where `anyslice` is that checkout's code.
    """
    try:
        here = Path("src").resolve()
    except FileNotFoundError:  # the folder that this is called in was deleted
        here = Path(os.devnull)
    if (here / "anyslice/__main__.py").is_file() and here != Path(__file__).resolve().parents[1]:
        os.environ["PYTHONPATH"] = os.pathsep.join(
            [str(here), *filter(None, [os.environ.get("PYTHONPATH")])]
        )
        os.execv(sys.executable, [sys.executable, "-m", "anyslice", *sys.argv[1:]])

    from anyslice.cli.main import main

    main(prog_name="anyslice")


if __name__ == "__main__":
    start()
