"""A network, a scale and a figure of one's own, by the commands of docs/your-own.md."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from PIL import Image
from pypdf import PdfReader

SCALE = "examples/mine.yaml"
RUN = "fashion-mnist-quick/slimmable-resnet-8"
FOLDER = f"results/mine/runs/{RUN}/seed1"


def section(title: str, root: Path) -> str:
    """A section of docs/your-own.md."""
    sections = re.split(r"^## ", (root / "docs/your-own.md").read_text(), flags=re.MULTILINE)
    (found,) = [text for text in sections if text.startswith(f"{title}\n")]
    return found


def blocks(text: str, language: str) -> list[str]:
    """The contents of the fenced blocks of a language; "" for commands."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [content for of_block, content in fenced if of_block == language]


@pytest.fixture(scope="module")
def project(tmp_path_factory, copy_repository, root, run) -> Path:
    """A copy of the repository's files in which the documented commands were run."""
    folder = copy_repository(tmp_path_factory.mktemp("project"))
    for title in ("Your own network", "Your own figure"):
        for command in "".join(blocks(section(title, root), "")).splitlines():
            run(folder, *shlex.split(command))
    return folder


def states(project, run) -> dict[str, str]:
    said = json.loads(run(project, "anyslice", "status", "--json", "--scale", SCALE).stdout)
    return {row["run"]: row["state"] for row in said["trainings"]}


def test_what_the_page_shows_is_in_the_example(root):
    example = yaml.safe_load((root / SCALE).read_text())

    def within(part, whole):
        if isinstance(part, dict):
            return all(key in whole and within(part[key], whole[key]) for key in part)
        return part == whole

    shown = [
        yaml.safe_load(block)
        for title in ("Your own network", "Your own figure")
        for block in blocks(section(title, root), "yaml")
    ]
    assert len(shown) == 2
    assert all(within(part, example) for part in shown)


@pytest.mark.system
def test_it_is_in_figure_4a(project):
    table = pd.read_csv(project / "results/mine/fig4a.csv")
    rows = table[table.family == "Slimmable ResNet"]
    assert list(rows.subnetwork) == [1, 2, 3, 4]
    assert (rows.macs.diff().dropna() > 0).all()
    assert rows.error.between(0, 95).all()
    assert "Slimmable ResNet" in PdfReader(project / "results/fig4a.pdf").pages[0].extract_text()


@pytest.mark.system
def test_ones_own_figure_looks_as_its_keys_say(project):
    text = PdfReader(project / "results/size.pdf").pages[0].extract_text()
    for part in ("Error against size", "parameters", "slimmable"):
        assert part in text
    assert (project / "size.svg").read_text().startswith("<?xml")
    assert (project / "curves.png").stat().st_size > 0


@pytest.mark.system
def test_it_is_tried_exported_timed_and_predicts_like_the_others(project, run, tmp_path):
    (tried,) = (project / "work/tried").rglob("metrics.json")
    assert len(json.loads(tried.read_text())["test_error"]) == 2
    Image.new("L", (28, 28), 99).save(tmp_path / "grey.png")
    exported, measured, figure = (str(tmp_path / name) for name in ("exported", "l.json", "l.pdf"))
    run(project, "anyslice", "export", FOLDER, "--trust", "--output", exported)
    said = run(tmp_path, "anyslice", "predict", exported, "grey.png", "--json").stdout
    assert json.loads(said[said.index("[") :])[0]["image"] == "grey.png"
    run(project, "anyslice", "latency", exported, "--batch", "1", "--output", measured)
    run(project, "anyslice", "latency", "--measured", measured, "--trust", "--figure", figure)
    assert "Slimmable ResNet" in PdfReader(figure).pages[0].extract_text()


@pytest.mark.system
def test_where_its_module_is_not_found_exporting_says_so(project, run, tmp_path):
    copied = shutil.copytree(project / FOLDER, tmp_path / "copied")
    said = run(tmp_path, "anyslice", "export", str(copied), check=False)
    assert "names a network family outside the package" in said.stdout
    said = run(tmp_path, "anyslice", "export", str(copied), "--trust", check=False)
    assert said.returncode == 1
    assert "module 'examples.families' cannot be imported" in said.stdout


@pytest.mark.system
def test_its_edit_outdates_its_own_trainings_and_no_others(project, run):
    assert states(project, run)[RUN] == "done"
    network, table = project / "examples/slimmable.py", project / "examples/families.py"
    before = states(project, run)
    table.write_text(table.read_text() + "\nNOTE = 'an edit'\n")
    assert states(project, run) == before
    network.write_text(network.read_text() + "\nNOTE = 'an edit'\n")
    assert states(project, run) == before | {RUN: "outdated"}
    said = run(project, "anyslice", "status", "--scale", SCALE).stdout
    assert "changed since: code (examples.slimmable)" in said
