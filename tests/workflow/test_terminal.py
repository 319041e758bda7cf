"""What a terminal shows of Snakemake's work, by Snakemake itself on a small workflow."""

import re
import subprocess
import sys

import pytest

SNAKEFILE = """
rule all:
    input: expand("out/{dataset}/{run}/seed{seed}", dataset="data", run=["a", "b"], seed=[1, 2])

rule train:
    output: "out/{dataset}/{run}/seed{seed}"
    log: "logs/{dataset}-{run}-{seed}.log"
    shell: "echo why > {log}; test {wildcards.run} != FAILING && touch {output}"

onstart:
    print("a message of the workflow")
"""


@pytest.fixture
def snakemake(tmp_path):
    """Runs Snakemake on that workflow as the profiles do."""

    def run(*arguments, failing="none"):
        (tmp_path / "Snakefile").write_text(SNAKEFILE.replace("FAILING", failing))
        command = [sys.executable, "-m", "snakemake", "--cores", "1", "--keep-going"]
        return subprocess.run(
            [*command, "--logger", "anyslice", "--show-failed-logs", *arguments],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return run


@pytest.mark.slow
def test_a_line_for_each_job_says_what_is_done_and_left(snakemake, tmp_path):
    shown = snakemake().stdout
    # Snakemake's records pass through a thread: what a workflow prints may come before them, and
    # even on the same line.
    assert "5 jobs to do: 4 train, 1 all\n" in shown
    assert "a message of the workflow" in shown
    lines = shown.splitlines()
    done = [line for line in lines if " of 5 done" in line]
    assert [line.split()[0] for line in done] == ["1", "2", "3", "4", "5"]
    assert {re.sub(r".*\d\d:\d\d +", "", line) for line in done} == {
        "all",
        *(f"train data/{run} seed {seed}" for run in "ab" for seed in (1, 2)),
    }
    assert len(lines) < 10
    (log,) = tmp_path.glob(".snakemake/log/*.log")
    assert "Missing output files: out/data/a/seed1" in log.read_text()


@pytest.mark.slow
def test_a_failure_is_shown_whole(snakemake):
    failed = snakemake(failing="b")
    assert failed.returncode == 1
    for part in ("2 of 5 done", "Error in rule train", "logs/data-b-1.log", "why"):
        assert part in failed.stdout


@pytest.mark.slow
def test_a_dry_run_says_why_in_full(snakemake, tmp_path):
    snakemake()
    (tmp_path / "out/data/a/seed1").unlink()
    planned = snakemake("-n", "--force", "out/data/a/seed1").stdout
    assert "reason: Missing: out/data/a/seed1" in planned
    assert "Forced execution" not in planned
