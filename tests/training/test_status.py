"""`anyslice status`: waiting, running, done and failed trainings, from files and the queue."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from click.testing import CliRunner

from anyslice.cli.main import main
from anyslice.errors import DivergedError
from anyslice.jobs.interrupt import Interrupted, Interrupts
from anyslice.jobs.slurm import QueuedJob
from anyslice.jobs.status import Status, status_of, table
from anyslice.jobs.train import run_training
from anyslice.paths import seed_folder

RUN = "fashion-mnist-short/is-resnext"


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


@pytest.fixture
def status(short, results, tmp_path, data):
    """The status of seed 1 of one run."""

    def status(scale=short, queue=()):
        rows = status_of(scale, results, tmp_path / "work", data.parent, queue)
        (row,) = [row for row in rows if (row.run, row.seed) == (RUN, 1)]
        return row

    return status


@pytest.fixture
def log(results):
    """Writes the log that the rule would."""

    def write(text, seconds_ago=0):
        path = results / "runs" / RUN / "seed1/train.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (time.time() - seconds_ago,) * 2)

    return write


@pytest.fixture
def progress(short, tmp_path):
    """Writes the progress that a training would."""

    def write(**changes):
        path = seed_folder(tmp_path / "work", short.name, RUN, 1) / "0123456789abcdef/progress.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        values = {"state": "running", "pid": os.getpid(), "host": os.uname().nodename}
        values |= {"epoch": 2, "epochs": 3, "step": 4, "steps": 8, "images_per_second": 512.3}
        values |= {"seconds_left": 3725.0, "validation_errors": [70.0, 60.5], "loss": 2.5}
        path.write_text(json.dumps(values | {"updated": time.time()} | changes))

    return write


def test_every_run_and_seed_of_the_scale_waits_at_first(short, results, tmp_path):
    rows = status_of(short, results, tmp_path / "work", tmp_path)
    assert len(rows) == len(short.listed) * 2
    assert {row.state for row in rows} == {"waiting"}
    assert table(rows).splitlines()[0] == f"{len(rows)} waiting"


def test_a_running_one_shows_progress_and_time_left(status, progress):
    progress()
    assert status() == Status(
        RUN,
        1,
        "running",
        "epoch 2/3  step 4/8  loss 2.500  validation error 70.0 ... 60.5 %  512 images/s  "
        "1:02:05 left",
    )


def test_one_that_just_began_is_running(status, log):
    log("")
    assert (status().state, status().detail) == ("running", "starting")


def test_a_killed_one_is_failed_with_the_last_line_of_its_log(status, progress, log):
    ended = subprocess.Popen(["true"])
    ended.wait()
    progress(pid=ended.pid)
    log("epoch 1/3\nslurmstepd: error: out of memory\n\n")
    assert status() == Status(RUN, 1, "failed", "slurmstepd: error: out of memory")


def test_one_that_slurm_has_queued_again_waits(status, progress, log):
    ended = subprocess.Popen(["true"])
    ended.wait()
    progress(pid=ended.pid)
    log("slurmstepd: error: *** JOB 7 ON a CANCELLED DUE TO PREEMPTION ***\n")
    other = QueuedJob("6", "RUNNING", "train_other_1")
    ours = f"train_{RUN.replace('/', '_')}_1"
    assert status(queue=[other]).state == "failed"
    queued = status(queue=[other, QueuedJob("7", "PENDING", ours)])
    assert (queued.state, queued.detail) == ("waiting", "SLURM job 7 is PENDING")


def test_on_another_machine_silence_means_failure(status, progress, log):
    log("epoch 1/3\n")
    progress(host="elsewhere", pid=1)
    assert status().state == "running"
    progress(host="elsewhere", pid=1, updated=time.time() - 1000)
    assert status() == Status(RUN, 1, "failed", "epoch 1/3")


def test_one_that_failed_before_training_is_failed(status, log):
    log("Error: data/x is not a prepared data set\n")
    assert status() == Status(RUN, 1, "failed", "Error: data/x is not a prepared data set")
    log("Segmentation fault\n", seconds_ago=1000)
    assert status().state == "failed"


@pytest.mark.slow
def test_real_trainings_pass_through_the_states(short, folders, status, results):
    folders = replace(folders, output=results / "runs" / RUN / "seed1")
    with pytest.raises(Interrupted):
        run_training(short, RUN, 1, folders, Interrupts(budget_minutes=0))
    assert status().state == "waiting"
    assert "stopped at epoch 1, step 1" in status().detail
    run_training(short, RUN, 1, folders, Interrupts())
    assert status().state == "done"
    errors = json.loads((folders.output / "metrics.json").read_text())["test_error"]
    assert status().detail == f"test error {errors[0]:.1f} ... {errors[-1]:.1f} %"


def test_a_finished_one_is_outdated_when_its_parameters_change(short, folders, status, results):
    folders = replace(folders, output=results / "runs" / RUN / "seed1")
    run_training(short, RUN, 1, folders, Interrupts())
    of_dataset = short.datasets["fashion-mnist-short"]
    run = of_dataset.runs["is-resnext"]
    longer = replace(run, recipe=replace(run.recipe, epochs=99))
    runs = of_dataset.runs | {"is-resnext": longer}
    changed = replace(short, datasets={"fashion-mnist-short": replace(of_dataset, runs=runs)})
    assert status(changed).state == "outdated"
    assert status(changed).detail.endswith("changed since: parameters")


def test_a_diverged_one_is_failed_with_its_message(short, folders, status):
    dataset = short.datasets["fashion-mnist-short"]
    run = dataset.runs["is-resnext"]
    wild = replace(run, recipe=replace(run.recipe, learning_rate=1e30))
    scale = replace(
        short, datasets={"fashion-mnist-short": replace(dataset, runs={"is-resnext": wild})}
    )
    with pytest.raises(DivergedError):
        run_training(scale, RUN, 1, folders, Interrupts())
    assert status().state == "failed"
    assert "the training diverged" in status().detail


def test_the_command_prints_the_table(root, results, tmp_path):
    scale = str(root / "tests/scales/short.yaml")
    arguments = ["status", "--scale", scale, "--results", str(results), "--work", str(tmp_path)]
    shown = CliRunner().invoke(main, arguments)
    assert shown.exit_code == 0
    assert shown.output.splitlines()[1] == "fashion-mnist-short/i-resnext     seed 1  waiting"


def test_the_command_needs_no_torch(root):
    code = (
        "import sys; from anyslice.cli.main import main\n"
        "main(['status', '--scale', 'tests/scales/short.yaml'], standalone_mode=False)\n"
        "sys.exit('torch' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True)
    assert shown.returncode == 0, shown.stderr


def test_the_line_of_a_training_names_all_that_matters(short, folders, capsys):
    run_training(short, RUN, 1, folders, Interrupts())
    line = capsys.readouterr().out.splitlines()[0]
    for part in ("epoch 1/3", "loss", "validation error", " ... ", "images/s", "left"):
        assert part in line


def test_the_same_for_programs(root, results, tmp_path):
    scale = str(root / "tests/scales/short.yaml")
    arguments = ["status", "--json", "--scale", scale, "--results", str(results)]
    said = json.loads(CliRunner().invoke(main, [*arguments, "--work", str(tmp_path)]).output)
    assert {row["state"] for row in said["trainings"]} == {"waiting"}
    assert (len(said["trainings"]), said["not_in_the_scale"]) == (12, [])


def test_a_run_that_the_scale_no_longer_lists_is_named(root, results, tmp_path):
    folder = results / "runs/fashion-mnist-short/old/seed1"
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text("{}")
    scale = str(root / "tests/scales/short.yaml")
    arguments = ["status", "--scale", scale, "--results", str(results), "--work", str(tmp_path)]
    said = CliRunner().invoke(main, arguments).output.splitlines()
    assert said[-1].startswith(
        "fashion-mnist-short/old  has results, but the scale has no such run"
    )


def test_a_pipe_that_closes_is_no_error(root):
    """As in `anyslice status | head`."""
    command = [sys.executable, "-m", "anyslice", "status", "--scale", "paper"]
    shown = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    shown.stdout.close()
    assert shown.stderr.read() == b""
    shown.wait()


@pytest.mark.slow
def test_a_training_by_hand_that_fails_is_not_the_studys(root, data, tmp_path, monkeypatch):
    """Nor is one whose keys were changed."""
    monkeypatch.chdir(tmp_path)
    scale = str(root / "tests/scales/short.yaml")
    common = ["--scale", scale, "--data", str(data)]
    wild = ["train", RUN, *common, "--set", "recipe.learning_rate=1.0e+30"]
    assert CliRunner().invoke(main, [*wild, "--output", "elsewhere"]).exit_code == 1
    tried = CliRunner().invoke(main, wild)
    assert "work/tried/short" in tried.output
    assert "diverged" in tried.output
    said = CliRunner().invoke(main, ["status", "--scale", scale, "--data", str(data.parent)]).output
    assert said.startswith("12 waiting")

    misspelled = CliRunner().invoke(main, ["train", RUN, *common, "--set", "recipe.epoch=3"])
    assert "with --set recipe.epoch=3: " in misspelled.output

    study = ["--output", f"results/short/runs/{RUN}/seed1"]
    refused = CliRunner().invoke(main, [*wild, *study])
    assert refused.exit_code == 1
    assert "is for what the scale says" in refused.output
    stopped = CliRunner().invoke(main, ["train", RUN, *common, "--time-budget", "0"])
    assert stopped.exit_code == 75, stopped.output
    said = CliRunner().invoke(main, ["status", "--scale", scale, "--data", str(data.parent)]).output
    assert "stopped at epoch 1, step 1" in said
