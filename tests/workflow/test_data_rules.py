"""The rules that take a data set from its sources to a prepared folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_folder_named_by_the_user_reaches_fetch_and_what_it_lacks_stops_everything(
    root, tmp_path
):
    command = [sys.executable, "-m", "snakemake", "--cores", "1"]
    names = ("Snakefile", "workflow", "profiles", "params", "dvc.yaml")
    for name in names:
        (tmp_path / name).symlink_to(root / name)
    folder = tmp_path / "my images"
    folder.mkdir()
    (folder / "ILSVRC2012_img_val.tar").touch()
    target = "data/imagenet/manifest.json"
    result = subprocess.run(
        [*command, target, "--config", f"sources={{imagenet: '{folder}'}}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    assert "Error in rule fetch" in result.stdout + result.stderr
    log = (tmp_path / "data/sources/imagenet/fetch.log").read_text()
    assert f"Looked in:\n  {folder}\n" in log
    assert "  ILSVRC2012_img_train.tar\n  ILSVRC2012_devkit_t12.tar.gz\n" in log
    assert not (tmp_path / "data/imagenet").exists()
