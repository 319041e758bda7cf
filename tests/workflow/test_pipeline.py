"""The whole pipeline, for real, at the tiny scale: from embedded data to figures and report."""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from pypdf import PdfReader

TARGET = "results/fig4a.pdf"
SCALE = "tests/scales/tiny.yaml"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def snakemake(folder: Path, *arguments: str, scale: str = SCALE) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    return subprocess.run(
        [*command, "--config", f"scale={scale}"],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )


def jobs(dry_run: subprocess.CompletedProcess) -> dict[str, int]:
    """Jobs by rule that a dry run announces."""
    assert dry_run.returncode == 0, dry_run.stdout + dry_run.stderr
    lines = (dry_run.stdout + dry_run.stderr).splitlines()
    if not any(line.startswith("Job stats") for line in lines):
        return {}
    table = lines[lines.index("Job stats:") + 3 :]
    rows = [line.split() for line in table[: table.index("")]] if "" in table else []
    rows = rows or [line.split() for line in table if len(line.split()) == 2]
    return {rule: int(count) for rule, count in rows if rule != "total"}


@pytest.fixture(scope="module")
def project(tmp_path_factory, copy_repository) -> Path:
    """A copy of the repository's files in which everything was made."""
    folder = copy_repository(tmp_path_factory.mktemp("project"))
    made = snakemake(folder)
    assert made.returncode == 0, made.stdout + made.stderr
    return folder


@pytest.fixture
def scale_file(project):
    """The tiny scale's file in the copy, put back as it was afterwards."""
    path = project / SCALE
    text = path.read_text()
    yield path
    path.write_text(text)


@pytest.mark.system
def test_the_figure_says_what_it_shows(project):
    text = PdfReader(project / TARGET).pages[0].extract_text()
    for part in ("tiny", "Fashion-MNIST", "1 seed", "MACs", "I-ResNeXt"):
        assert part in text


@pytest.mark.system
def test_the_table_is_tidy(project):
    table = pd.read_csv(project / "results/tiny/fig4a.csv")
    assert {"run", "family", "subnetwork", "seed", "macs", "error"} <= set(table.columns)
    assert len(table) == 2 + 2 + 1
    assert table.error.between(0, 100).all()
    assert (table.groupby("run").macs.diff().dropna() > 0).all()


@pytest.mark.system
def test_a_training_leaves_its_files(project):
    folder = project / "results/tiny/runs/fashion-mnist-quick/i-resnext/seed1"
    names = {"model.safetensors", "predictions.safetensors"}
    names |= {"metrics.json", "errors.json", "timing.json", "history.csv"}
    assert names <= {path.name for path in folder.iterdir()}
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["parameters"]["network"]["K"] == len(metrics["test_error"]) == 2
    assert "left" in (folder / "train.log").read_text()


@pytest.mark.system
def test_a_second_run_has_nothing_to_do(project):
    assert jobs(snakemake(project, "-n")) == {}


@pytest.mark.system
def test_figures_are_redrawn_without_weights_and_predictions(project, tmp_path):
    """A clone has metrics and FLOPs from git, and nothing else."""
    copy = shutil.copytree(project, tmp_path / "copy", symlinks=True)
    for path in copy.glob("results/tiny/runs/**/*.safetensors"):
        path.unlink()
    shutil.rmtree(copy / "work")
    tables = sorted(copy.glob("results/**/*.csv"))
    before = [table.read_bytes() for table in tables if "runs/" not in str(table)]
    planned = jobs(snakemake(copy, "-n", "--forcerun", "draw"))
    assert {"draw", "fig3b", "fig5a", "properties"} <= set(planned)
    assert "train" not in planned
    made = snakemake(copy, "--forcerun", "draw")
    assert made.returncode == 0, made.stdout + made.stderr
    assert before == [table.read_bytes() for table in tables if "runs/" not in str(table)]


@pytest.mark.system
def test_times_are_measured_once_and_drawn_again_without_weights(project, tmp_path):
    copy = shutil.copytree(project, tmp_path / "copy", symlinks=True)
    target = "results/latency.pdf"
    made = snakemake(copy, target)
    assert made.returncode == 0, made.stdout + made.stderr
    rows = json.loads((copy / "results/tiny/latency.json").read_text())["rows"]
    assert {row["batch"] for row in rows} == {1, 64}
    assert {row["family"] for row in rows} == {"I-ResNeXt", "IS-ResNeXt"}
    for path in [copy / target, *copy.glob("results/tiny/runs/**/*.safetensors")]:
        path.unlink()
    assert jobs(snakemake(copy, "-n", target)) == {"latency": 1}


@pytest.mark.system
def test_every_figure_has_its_files(project):
    names = ["fig3a", "fig3b", "fig3c", "fig4a", "fig5a", "properties"]
    for name in [f"{name}.{end}" for name in names for end in ("pdf", "png", "csv")]:
        assert (project / "results" / name).stat().st_size > 0
    for name in ("fig1.pdf", "fig2.pdf", "claims.csv", "claims.md", "report.html"):
        assert (project / "results" / name).stat().st_size > 0


@pytest.mark.system
def test_the_report_loads_nothing_from_elsewhere(project):
    html = (project / "results/report.html").read_text()
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=.?https?:", html)


@pytest.mark.system
@pytest.mark.skipif(CHROMIUM is None, reason="it needs Chromium in the PATH; then: make systemtest")
def test_a_browser_shows_the_report(project, tmp_path):
    shown = subprocess.run(
        [
            str(CHROMIUM),
            *["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            *["--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path}"],
            *["--virtual-time-budget=10000", "--dump-dom"],
            f"file://{project}/results/report.html",
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    body = re.sub(r"<script.*?</script>", "", shown.stdout, flags=re.DOTALL)
    for part in ("verdict", "Figure 4a", "All claims", "Packages"):
        assert part in body


@pytest.mark.system
def test_a_changed_run_trains_again_alone(project, scale_file):
    old = " is-resnext:\n        network: {name: is-resnext, L: 3, W: 8"
    assert old in scale_file.read_text()
    scale_file.write_text(scale_file.read_text().replace(old, old.replace("W: 8", "W: 16")))
    planned = jobs(snakemake(project, "-n", TARGET))
    assert planned == {"train": 1, "count_flops_fashion_mnist_quick": 1, "draw": 1, "fig4a": 1}


@pytest.mark.system
def test_a_changed_run_touches_only_what_shows_it(project, scale_file):
    """The ResNeXt of one branch is in Figure 3c, in the properties and in what sums up all."""
    old = "resnext-11-c1:\n"
    assert old in scale_file.read_text()
    new = f"{old}        recipe: {{learning_rate: 0.05}}\n"
    scale_file.write_text(scale_file.read_text().replace(old, new))
    planned = jobs(snakemake(project, "-n"))
    for of_all in ("list_runs", "check_claims", "claims"):
        assert planned.pop(of_all) == 1
    for of_all in ("report", "all"):
        assert planned.pop(of_all) == 1
    assert planned == {"train": 1, "draw": 2, "fig3c": 1, "properties": 1}


@pytest.mark.system
def test_a_changed_comment_does_nothing(project, scale_file):
    scale_file.write_text("# Another comment.\n" + scale_file.read_text())
    assert jobs(snakemake(project, "-n")) == {}


@pytest.mark.system
def test_more_gpus_and_a_time_limit_train_nothing_again(project, scale_file):
    """How trainings are executed, here or by a cluster's profile, is no part of the study."""
    line = "    stands_in_for: CIFAR-10\n"
    assert line in scale_file.read_text()
    scale_file.write_text(scale_file.read_text().replace(line, f"{line}    gpus: 4\n"))
    assert jobs(snakemake(project, "-n", TARGET, "--set-resources", "train:runtime=60")) == {}


@pytest.mark.system
@pytest.mark.parametrize(("limit", "budget"), [(60, "50"), (15, "7.5")])
def test_under_a_time_limit_a_training_has_a_time_budget_below_it(project, limit, budget):
    limited = ["--forcerun", "train", "--set-resources", f"train:runtime={limit}"]
    said = snakemake(project, "-n", "--printshellcmds", TARGET, *limited)
    assert f" --time-budget {budget} " in said.stdout + said.stderr


@pytest.mark.system
def test_deleted_metrics_retrain_that_training_alone(project):
    metrics = project / "results/tiny/runs/fashion-mnist-quick/is-resnext/seed1/metrics.json"
    content = metrics.read_bytes()
    metrics.unlink()
    try:
        planned = jobs(snakemake(project, "-n", TARGET))
    finally:
        metrics.write_bytes(content)
    assert planned == {"train": 1, "draw": 1, "fig4a": 1}


@pytest.mark.slow
def test_an_unknown_scale_stops_before_any_job(root):
    result = snakemake(root, "-n", TARGET, scale="papier")
    assert result.returncode != 0
    said = result.stdout + result.stderr
    assert "there is no scale 'papier'" in said
    assert "choose from paper, pilot, quick, study" in said


@pytest.mark.perf
def test_the_papers_graph_is_built_in_ten_seconds(root):
    """330 trainings, measured in CPU time: the tests' other workers do not count."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    planned = jobs(snakemake(root, "-n", scale="paper"))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert planned["train"] >= 300
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 10
