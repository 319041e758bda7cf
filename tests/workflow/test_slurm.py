"""profiles/slurm on a real SLURM of two nodes: whatever ends a training early, it goes on."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from anyslice.files import read_json

CLUSTER = Path(__file__).parents[1] / "slurm"
CANNOT = 77
SCALE = "tests/scales/slurm.yaml"
TARGET = "results/fig4a.pdf"
DATASET = "fashion-mnist-quick"
RUNS = ("i-resnext", "is-resnext", "resnext-11")

# What the profile asks for a training, but one GPU, of a named type, for the scale trains on CPUs;
# and a limit of a minute at the first attempt of the run whose budget is to run out. SLURM ends the
# other two before theirs do.
OF_A_TRAINING = {
    "slurm_partition": "gpu",
    "mem_mb": 16000,
    "gpu": 1,
    "gpu_model": "pretended",
    "runtime": "1 if attempt == 1 and wildcards.run == 'resnext-11' else 60",
}
BUDGET_SECONDS = 30


@pytest.fixture(scope="module")
def cluster():
    """A SLURM, with the profile's partitions; gone afterwards."""
    if "SYSTEMTEST" not in os.environ:
        pytest.skip("it installs Debian's SLURM on this machine, as root: make systemtest")
    up = subprocess.run([CLUSTER / "up"], capture_output=True, text=True)
    if up.returncode == CANNOT:
        pytest.skip(f"{up.stderr.strip().splitlines()[-1]}; then: make systemtest")
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        yield
    finally:
        subprocess.run([CLUSTER / "down"], check=True)


@pytest.fixture(scope="module")
def project(cluster, tmp_path_factory, copy_repository, run) -> Path:
    """A copy of the repository's files, with the data."""
    folder = copy_repository(tmp_path_factory.mktemp("project"))
    data = ["snakemake", "--cores", "1", f"data/{DATASET}/manifest.json"]
    run(folder, *data, "--config", f"scale={SCALE}")
    return folder


@pytest.fixture
def snakemake(project, start):
    """Snakemake with the profile, at work; what it says is in the file `said`."""
    command = ["snakemake", TARGET, "--workflow-profile", "profiles/slurm"]
    command += ["--config", f"scale={SCALE}", "--set-resources"]
    command += [f"train:{name}={value}" for name, value in OF_A_TRAINING.items()]
    process = start(project, "sh", "-c", f"exec {shlex.join(command)} > said 2>&1")
    yield process
    if process.poll() is None:
        process.kill()  # its jobs end with the cluster
        process.wait()


def test_the_profile_has_all_that_the_default_profile_has(root):
    default, slurm = (
        yaml.safe_load((root / f"profiles/{name}/config.yaml").read_text())
        for name in ("default", "slurm")
    )
    assert default.keys() == slurm.keys() & default.keys()
    assert {key for key in default if default[key] != slurm[key]} == {"cores"}


def test_an_error_that_lasts_is_tried_few_times(root):
    profile = yaml.safe_load((root / "profiles/slurm/config.yaml").read_text())
    assert profile["retries"] <= 3


def slurm(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def job_of(run: str) -> str:
    """The number of the SLURM job that trains a run."""
    jobs = slurm("squeue", "--noheader", "--states=RUNNING", "--format=%i %k").splitlines()
    return next(job.split()[0] for job in jobs if f"_{run}_" in job)


def log_of(project: Path, run: str) -> str:
    return (project / f"results/slurm/runs/{DATASET}/{run}/seed1/train.log").read_text()


def pause_all(project: Path, snakemake: subprocess.Popen, scale: str) -> dict[str, int]:
    """Stop each training's process, by run, as soon as it has saved a checkpoint."""
    paused: dict[str, int] = {}
    end = time.monotonic() + 120
    while len(paused) < len(RUNS):
        for progress in (project / "work" / scale / DATASET).glob("*/seed1/*/progress.json"):
            run, pid = progress.parts[-4], read_json(progress)["pid"]
            saved = list(progress.parent.glob("epoch*.json"))
            if saved and run not in paused and pause(run, pid):
                paused[run] = pid
        in_time = time.monotonic() < end and snakemake.poll() is None
        assert in_time, f"only {list(paused)} at work"
        time.sleep(0.1)
    return paused


def pause(run: str, pid: int) -> bool:
    """Stop a training's process and raise its job's limit; False if it is ending.

    On a slow machine the budget of the first job runs out before its first step. That job is then
    queued again.
    """
    try:
        os.kill(pid, signal.SIGSTOP)
        slurm("scontrol", "update", f"JobId={job_of(run)}", "TimeLimit=10")
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except (ProcessLookupError, psutil.NoSuchProcess, StopIteration, subprocess.CalledProcessError):
        return False


@pytest.mark.slow
def test_a_training_goes_on_however_its_job_ends(project, snakemake, run):
    """One is cancelled; one hangs until SLURM's limit; one is so slow that its budget runs out."""
    cancelled, hanging, slow = RUNS
    processes = pause_all(project, snakemake, "slurm")
    paused = time.monotonic()
    assert "gpu:pretended:1" in slurm("scontrol", "show", "job", job_of(hanging))
    slurm("scontrol", "update", f"JobId={job_of(hanging)}", "EndTime=now")
    slurm("scancel", job_of(cancelled))
    time.sleep(max(0, BUDGET_SECONDS - (time.monotonic() - paused)))
    os.kill(processes[slow], signal.SIGCONT)

    snakemake.wait(timeout=240)
    said = (project / "said").read_text()
    assert snakemake.returncode == 0, said
    assert (project / TARGET).stat().st_size > 0
    ends = re.findall(r"SLURM status is: '(\w+)'", said)
    assert sorted(ends) == ["CANCELLED", "TIMEOUT"], said
    assert "SLURM has put this job back into its queue" in log_of(project, slow)
    for name in RUNS:
        assert "resuming from the checkpoint of epoch" in log_of(project, name)

    again = run(project, "snakemake", "-n", "--cores", "1", TARGET, "--config", f"scale={SCALE}")
    assert "Nothing to be done" in again.stdout, "without the profile, it is the same study"


CONFIGURATION = Path("/tmp/anyslice-slurm/slurm.conf")


def configure(line: str) -> None:
    with CONFIGURATION.open("a") as file:
        file.write(f"{line}\n")
    slurm("scontrol", "reconfigure")


def options_of(project: Path, scale: str) -> list[str]:
    """Those of Snakemake for a copy of the scale with this name."""
    path = f"tests/scales/{scale}.yaml"
    (project / path).write_text((project / SCALE).read_text())
    options = ["--workflow-profile", "profiles/slurm", "--config", f"scale={path}"]
    return [*options, "--set-resources", "train:gpu=1"]


@pytest.mark.slow
def test_a_controller_that_is_away_and_forgets_jobs(project, start):
    """It is stopped for a minute, and drops jobs 10 s after their end."""
    configure("MinJobAge=10")
    command = ["snakemake", TARGET, *options_of(project, "away")]
    snakemake = start(project, "sh", "-c", f"exec {shlex.join(command)} > away 2>&1")
    while not list((project / "work/away").glob("*/*/seed1/*/progress.json")):
        assert snakemake.poll() is None, (project / "away").read_text()
        time.sleep(0.1)
    os.kill(int((CONFIGURATION.parent / "slurmctld.pid").read_text()), signal.SIGTERM)
    time.sleep(60)
    subprocess.run(["slurmctld"], check=True)
    snakemake.wait(timeout=240)
    assert snakemake.returncode == 0, (project / "away").read_text()
    assert_trained_once(project, "away")


def assert_trained_once(project: Path, scale: str, went_on: bool = False) -> None:
    """Every run of a copy of the scale has the weights of the first test, and ended once."""
    for run in RUNS:
        folders = [
            project / f"results/{name}/runs/{DATASET}/{run}/seed1" for name in (scale, "slurm")
        ]
        ours, expected = ((folder / "model.safetensors").read_bytes() for folder in folders)
        assert ours == expected
        log = (folders[0] / "train.log").read_text()
        assert ("resuming from the checkpoint of epoch" in log) == went_on, log
        assert log.count("; saving took") == 1, log


def on_another_host(project: Path, command: list[str], said: Path) -> subprocess.Popen:
    """Start a command where neither the processes nor the name of this host are seen."""
    script = f"hostname elsewhere; exec {shlex.join(command)}"
    with said.open("w") as file:
        return subprocess.Popen(
            ["unshare", "--uts", "--pid", "--fork", "--mount-proc", "sh", "-c", script],
            cwd=project,
            env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            stdout=file,
            stderr=subprocess.STDOUT,
        )


@pytest.mark.slow
def test_a_killed_snakemake_is_continued_on_another_host(project, start, run):
    """Its lock is respected, and its jobs are waited for, not doubled."""
    options = options_of(project, "killed")
    snakemake = start(project, "snakemake", TARGET, *options)
    paused = pause_all(project, snakemake, "killed")
    make, said = ["anyslice", "make", TARGET, *options], project / "killed"
    assert on_another_host(project, make, said).wait(timeout=60) == 1
    assert "a Snakemake works in this folder on" in said.read_text()
    snakemake.kill()
    snakemake.wait()
    run(project, "snakemake", "--unlock", *options)
    made = on_another_host(project, make, said)
    while "waiting for the jobs of an earlier Snakemake" not in said.read_text():
        assert made.poll() is None, said.read_text()
        time.sleep(0.1)
    for process in paused.values():
        os.kill(process, signal.SIGCONT)
    assert made.wait(timeout=240) == 0, said.read_text()
    assert_trained_once(project, "killed")


FULL_TMP = """
all=$(mktemp --directory --tmpdir=/run)
mount --bind /tmp $all
mount -t tmpfs -o size=64k none /tmp
for folder in $(find $all -mindepth 1 -maxdepth 1 -type d -printf '%f\\n'); do
  mkdir /tmp/$folder
  mount --bind $all/$folder /tmp/$folder
done
cat /dev/zero > /tmp/full 2> /dev/null
exec slurmd -N n1
"""
"""Starts a node that cannot write to /tmp itself, but to the folders that are there already."""


def stop_node(node: str) -> None:
    """Kill a node's daemon and all that its jobs have started, as a power cut does."""
    os.kill(int((CONFIGURATION.parent / f"slurmd.{node}.pid").read_text()), signal.SIGKILL)
    of_jobs, of_slurm = [], []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("SLURMD_NODENAME") == node:
                of_jobs.append(process)
                of_slurm += [p for p in process.parents() if p.name() == "slurmstepd"]
    for process in (*of_slurm, *of_jobs):  # in this order: SLURM must not hear of the jobs' end
        with contextlib.suppress(psutil.Error):
            process.kill()


@pytest.mark.slow
def test_one_node_is_lost_and_the_other_one_taken_away_with_its_tmp_full(project, start):
    """Neither costs an attempt: SLURM queues the same jobs again, and they go on."""
    stop_node("n1")
    subprocess.run(["unshare", "--mount", "sh", "-c", FULL_TMP], check=True)
    configure("SlurmdTimeout=10")
    command = ["snakemake", TARGET, *options_of(project, "lost")]
    snakemake = start(project, "sh", "-c", f"exec {shlex.join(command)} > lost 2>&1")
    pause_all(project, snakemake, "lost")
    nodes = slurm("squeue", "--noheader", "--states=RUNNING", "--format=%N").split()
    assert sorted(set(nodes)) == ["n1", "n2"]
    stop_node("n2")
    urgent = ["--partition=urgent", "--nodelist=n1", "--exclusive", "--output=/dev/null"]
    slurm("sbatch", *urgent, "--wrap=sleep 5")
    snakemake.wait(timeout=300)
    said = (project / "lost").read_text()
    assert snakemake.returncode == 0, said
    assert "SLURM status is" not in said
    assert_trained_once(project, "lost", went_on=True)
