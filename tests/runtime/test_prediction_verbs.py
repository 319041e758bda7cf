"""The verbs for trained networks."""

import json
import sys
from dataclasses import asdict

import matplotlib.figure
import pandas as pd
import pytest
from click.testing import CliRunner

from anyslice.cli.main import main
from anyslice.costs import latency
from anyslice.costs.latency import TimedWay
from anyslice.costs.machine import this_machine
from anyslice.figures import latency as latency_figure

TIMED = TimedWay("run", "MSDNet", 1, 10**6, 9.0, 1, "torch", 1.0, 0.9, 1.1, 9)


def call(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_predict_prints_a_row_for_each_picture(folder_of, photo):
    result = call("predict", folder_of("is-resnext"), photo, photo)
    assert result.exit_code == 0
    head, *rows = result.output.splitlines()
    assert head.split() == [
        *("image", "label", "probability", "right", "subnetwork", "macs", "milliseconds")
    ]
    assert len(rows) == 2
    assert all("boot.png" in row and "%" in row for row in rows)


def test_predict_gives_json_with_all_that_a_prediction_has(folder_of, photo):
    options = ("--json", "--macs", "700000")
    result = call("predict", folder_of("is-resnext"), photo, *options)
    (row,) = json.loads(result.output)
    assert row["image"] == str(photo)
    assert row["subnetwork"] == 2
    assert row["macs"] <= 700000
    assert len(row["probabilities"]) == 10


@pytest.mark.slow
def test_predict_says_at_which_level_it_answers(exported, photo):
    options = ("--subnetwork", "1", "--accuracy", "0.9")
    result = call("predict", exported("levels")[1], photo, *options)
    assert "level" in result.output.splitlines()[0]
    assert any(name in result.output for name in ("clothing", "footwear", "bag"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--macs", "1"), "Error: 1 multiply-adds are too few: the least is"),
        (("--subnetwork", "9"), "Error: there is no sub-network 9"),
        (("--macs", "1e6", "--deadline", "3"), "Error: give one budget, not macs and deadline"),
    ],
)
def test_predict_fails_in_one_line(folder_of, photo, options, message):
    result = call("predict", folder_of("is-resnext"), photo, *options)
    assert result.exit_code == 1
    assert result.output.startswith(message)
    assert result.output.count("\n") == 1


def test_predict_names_a_file_that_is_no_picture(folder_of, root):
    result = call("predict", folder_of("is-resnext"), root / "Makefile")
    assert result.exit_code == 1
    assert "Makefile is not an image of a format that Pillow reads" in result.output


def test_predict_refuses_a_folder_that_is_no_run(root, photo):
    result = call("predict", root / "docs", photo)
    assert result.exit_code == 1
    assert "has no model.json; give a folder that `anyslice export RUN" in result.output


def test_predict_answers_for_the_pictures_that_can_be_read(folder_of, photo, tmp_path):
    bad = [tmp_path / "bad.gif", tmp_path / "none.png"]
    bad[0].write_bytes(b"no picture")
    result = call(
        "predict", folder_of("is-resnext"), photo, bad[0], photo, bad[1], "--confidence", 0.9
    )
    assert result.exit_code == 1
    assert result.output.count("boot.png") == 2
    assert "reached" in result.output.splitlines()[0]
    assert "bad.gif is not an image" in result.output
    assert "there is no file" in result.output


def test_without_the_studys_packages_a_verb_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydantic", None)
    users = ("anyslice.config", "anyslice.cli.loaded", "anyslice.cli.trainings")
    for name in [name for name in sys.modules if name.startswith(users)]:
        monkeypatch.delitem(sys.modules, name)
    result = call("status")
    assert result.exit_code == 1
    assert "pydantic is not installed" in result.output
    assert "pip install 'anyslice[study]'" in result.output


@pytest.mark.slow
def test_latency_times_every_subnetwork_and_draws_it(folder_of, tmp_path, monkeypatch):
    monkeypatch.setattr(latency, "SECONDS", 0.1)
    folders = (folder_of("i-resnext"), folder_of("is-resnext"))
    written = tmp_path / "latency.json"
    options = ("--output", written, "--figure", tmp_path / "latency.pdf")
    shown = call("latency", *folders, "--batch", "1", "--batch", "2", *options).output
    found = json.loads(written.read_text())
    assert found["machine"]["threads"] == 1
    assert len(found["rows"]) == 2 * 4 * 2  # models, sub-networks, batches
    for row in found["rows"]:
        assert row["lower_quartile"] <= row["milliseconds"] <= row["upper_quartile"]
        assert row["rounds"] >= latency.LEAST
    assert (tmp_path / "latency.pdf").stat().st_size > 1000

    again = call("latency", "--measured", written, "--figure", tmp_path / "again.png")
    assert again.output == shown
    assert (tmp_path / "again.png").stat().st_size > 1000


def test_latency_names_the_threads_that_it_was_told_to_use(folder_of, tmp_path, monkeypatch):
    monkeypatch.setattr(latency, "time_subnetworks", lambda *a: [TIMED])
    written = tmp_path / "latency.json"
    options = ("--batch", "1", "--threads", "2", "--output", written)
    call("latency", folder_of("i-resnext"), *options)
    assert json.loads(written.read_text())["machine"]["threads"] == 2


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        "[]",
        "no JSON",
        {"machine": asdict(this_machine()), "rows": []},
        {"machine": {"cores": 2}, "rows": [asdict(TIMED)]},
        {"machine": asdict(this_machine()), "rows": [{"milliseconds": 1.0}]},
    ],
)
def test_latency_names_a_file_that_it_did_not_write(tmp_path, content):
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / "other.json").write_text(text)
    result = call("latency", "--measured", tmp_path / "other.json")
    assert result.exit_code == 1
    assert "other.json is not what `anyslice latency MODEL... --output` writes" in result.output


def test_times_below_a_millisecond_are_numbers_without_a_prefix(tmp_path, monkeypatch):
    rows = [
        TimedWay("r", "MSDNet", k, 10**6 * k, 9.0 - k, 1, engine, 0.1 * k, 0.1 * k, 0.1 * k, 9)
        for k in (1, 5)
        for engine in ("torch", "eager", "all exits")
    ]
    labels = []
    draw = matplotlib.figure.Figure.savefig

    def look(figure, *arguments, **options):
        draw(figure, *arguments, **options)
        labels[:] = [[t.get_text() for t in axes.get_xticklabels()] for axes in figure.axes]

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", look)
    latency_figure.draw(pd.DataFrame(rows), this_machine(), tmp_path / "latency.pdf")
    macs, milliseconds = labels
    assert {"1 M", "2 M", "5 M"} <= set(macs)
    assert {"0.1", "0.2", "0.5"} <= set(milliseconds)
