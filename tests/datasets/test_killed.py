"""A step that is killed leaves nothing that looks finished, and the next one is not disturbed."""

import os
import signal
import subprocess
import sys
import time

import pytest
from made import EMBEDDED, ROOT, make

from anyslice.datasets import DataError, open_dataset
from anyslice.datasets.description import load_description

COUNTS = "train: 700, validation: 50, test: 250"


@pytest.mark.slow
@pytest.mark.parametrize("written", [1, 800])
def test_a_killed_preparation_is_no_data_set_and_is_made_good(tmp_path, written):
    text = (ROOT / "params/datasets/fashion-mnist-files.yaml").read_text()
    few = text.replace("train: 4500, validation: 500, test: 1000", COUNTS)
    assert few != text
    (tmp_path / "few.yaml").write_text(few)
    output = tmp_path / "out"
    arguments = [str(tmp_path / "few.yaml"), "--source", str(EMBEDDED), "--output", str(output)]
    running = subprocess.Popen(
        [sys.executable, "-m", "anyslice", "data", "prepare", *arguments], stderr=subprocess.DEVNULL
    )
    while running.poll() is None and len(list(output.glob(".part/images/*/*/*.png"))) < written:
        time.sleep(0.001)
    os.kill(running.pid, signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    with pytest.raises(DataError, match="is not a prepared data set"):
        open_dataset(output)
    make(load_description(str(tmp_path / "few.yaml")), EMBEDDED, output)
    assert open_dataset(output).counts["train"] == 700
    assert not (output / ".part").exists()
