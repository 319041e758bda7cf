"""A finished training is kept aside, so that making its files again is cheap and exact."""

import json
import multiprocessing
import shutil
import time

import pytest

from anyslice.files import sha256
from anyslice.jobs import kept
from anyslice.jobs.interrupt import Interrupted, Interrupts
from anyslice.jobs.lock import sole_process, wait_until_free
from anyslice.jobs.results import FILES
from anyslice.jobs.train import run_training
from anyslice.paths import PREDICTIONS, seed_folder

RUN = "fashion-mnist-short/is-resnext"


def train(scale, folders, **options):
    run_training(scale, RUN, 1, folders, Interrupts(), **options)


def test_deleted_results_come_back_without_training(short, folders, capsys):
    train(short, folders)
    before = {name: sha256(folders.output / name) for name in FILES}
    shutil.rmtree(folders.output)
    began = time.time()
    train(short, folders)
    assert "put back" in capsys.readouterr().out
    assert before == {name: sha256(folders.output / name) for name in FILES}
    assert all((folders.output / name).stat().st_mtime >= began - 1 for name in FILES)


def test_it_takes_no_space_and_keeps_no_checkpoint(short, folders):
    train(short, folders)
    work = seed_folder(folders.work, short.name, RUN, 1)
    files = [path for path in work.rglob("*") if path.is_file() and path.name != "lock"]
    assert {path.name for path in files} == set(FILES)
    assert all(path.samefile(folders.output / path.name) for path in files)


@pytest.mark.slow
def test_results_of_other_packages_are_not_put_back(short, folders, capsys, monkeypatch):
    train(short, folders)
    shutil.rmtree(folders.output)
    monkeypatch.setattr(kept, "packages", lambda: {"torch": "0.4"})
    train(short, folders)
    assert "put back" not in capsys.readouterr().out
    assert json.loads((folders.output / "metrics.json").read_text())["packages"]["torch"] > "0.4"


@pytest.mark.slow
def test_a_pilot_is_finished_without_predictions_and_is_not_the_training(short, folders, capsys):
    train(short, folders, test=False)
    assert {path.name for path in folders.output.iterdir()} == {*FILES} - {PREDICTIONS}
    assert "test_error" not in json.loads((folders.output / "metrics.json").read_text())
    shutil.rmtree(folders.output)
    train(short, folders, test=False)
    assert "put back" in capsys.readouterr().out
    train(short, folders)
    assert {path.name for path in folders.output.iterdir()} == {*FILES}


def hold(folder, seconds):
    with sole_process(folder):
        time.sleep(seconds)


@pytest.mark.slow
def test_one_can_wait_for_a_training_that_runs_already(tmp_path, capsys):
    other = multiprocessing.Process(target=hold, args=(tmp_path, 2))
    other.start()
    while not (tmp_path / "owner.json").exists():
        time.sleep(0.01)
    wait_until_free(tmp_path, Interrupts())
    assert f"waiting for process {other.pid}" in capsys.readouterr().out
    other.join()


@pytest.mark.slow
def test_waiting_ends_with_the_time_budget(tmp_path):
    with sole_process(tmp_path), pytest.raises(Interrupted, match="time budget"):
        wait_until_free(tmp_path, Interrupts(budget_minutes=0.02))
