"""`profiles/gpu`: trainings side by side, each on a GPU of its own; pretended device numbers."""

import os
import subprocess
import sys
from collections import Counter

import pytest
import yaml

SNAKEFILE = """
rule all:
    input: expand("{n}.done", n=range(6)),

rule train:
    output: "{n}.done",
    resources: gpu=1,
    shell: "PYTHON train.py > {output}"
""".replace("PYTHON", sys.executable)

TRAIN = """
import os, time, click
from anyslice.jobs.gpus import own_gpus
from anyslice.jobs.interrupt import Interrupts

log = os.open("log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
with own_gpus(1, Interrupts(), click.echo):
    os.write(log, f"+{os.environ['CUDA_VISIBLE_DEVICES']} ".encode())
    time.sleep(1.5)
    os.write(log, f"-{os.environ['CUDA_VISIBLE_DEVICES']} ".encode())
"""


def test_it_has_all_that_the_default_profile_has(root):
    default, gpu = (
        yaml.safe_load((root / f"profiles/{name}/config.yaml").read_text())
        for name in ("default", "gpu")
    )
    assert default.items() <= gpu.items()


@pytest.mark.slow
def test_it_fills_every_gpu_and_no_training_waits(root, tmp_path):
    """3 places on the command line, where the profile has another number."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "train.py").write_text(TRAIN)
    command = [sys.executable, "-m", "snakemake", "--workflow-profile", str(root / "profiles/gpu")]
    ran = subprocess.run(
        [*command, "--cores", "8", "--resources", "gpu=3"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "3,5,6", "TMPDIR": str(tmp_path)},
    )
    assert ran.returncode == 0, ran.stderr
    now, most = Counter(), Counter()
    for note in (tmp_path / "log").read_text().split():
        now[note[1:]] += 1 if note[0] == "+" else -1
        most[note[1:]] = max(most[note[1:]], now[note[1:]])
    assert most == {"3": 1, "5": 1, "6": 1}
    assert [(tmp_path / f"{n}.done").read_text() for n in range(6)] == [""] * 6
