"""A step that is killed leaves nothing that looks finished, and the next one is not disturbed."""

import os
import signal
import subprocess
import sys
import time

import pytest
from made import EMBEDDED, ROOT, make

from anyslice.config.dataset import load_description
from anyslice.datasets import DataError, open_dataset

DESCRIPTION = ROOT / "params/datasets/fashion-mnist-files.yaml"


@pytest.mark.slow
@pytest.mark.parametrize("written", [1, 300])
def test_a_killed_preparation_is_no_data_set_and_is_made_good(tmp_path, written):
    """Killed when so many of its 6,000 files are there: long before the last, on any machine."""
    output = tmp_path / "out"
    arguments = [str(DESCRIPTION), "--source", str(EMBEDDED), "--output", str(output)]
    running = subprocess.Popen(
        [sys.executable, "-m", "anyslice", "data", "prepare", *arguments], stderr=subprocess.DEVNULL
    )
    while running.poll() is None and len(list(output.glob(".part/images/*/*/*.png"))) < written:
        time.sleep(0.001)
    os.kill(running.pid, signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    with pytest.raises(DataError, match="is not a prepared data set"):
        open_dataset(output)
    make(load_description(str(DESCRIPTION)), EMBEDDED, output)
    assert open_dataset(output).counts["train"] == 4500
    assert not (output / ".part").exists()
