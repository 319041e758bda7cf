"""A scale that extends another, and settings of a run on the command line."""

import re

import pytest

from anyslice.config.checked_yaml import ParameterError, read_mapping
from anyslice.config.layers import changes_of, merge
from anyslice.config.names import NO_FIGURES
from anyslice.config.scale import load_scale

RUN = "fashion-mnist-quick/i-resnext"


@pytest.fixture
def extended(root, tmp_path, monkeypatch):
    """A scale of a text that extends the quick one."""
    monkeypatch.chdir(root)

    def load(text: str):
        (tmp_path / "mine.yaml").write_text("extends: quick\n" + text)
        return load_scale(str(tmp_path / "mine.yaml"))

    return load


def test_it_has_what_it_does_not_say_from_the_other(extended):
    mine, quick = extended("seeds: [7]\nrecipe: {epochs: 4}\n"), load_scale("quick")
    assert mine.name == "mine"
    assert (mine.seeds, mine.recipe.epochs) == ((7,), 4)
    assert mine.run(RUN).recipe.batch_size == quick.recipe.batch_size
    assert mine.run(RUN).network == quick.run(RUN).network
    assert mine.figures == quick.figures


def test_what_extends_the_papers_scale_is_not_the_papers_setting(root, tmp_path, monkeypatch):
    monkeypatch.chdir(root)
    (tmp_path / "mine.yaml").write_text("extends: paper\nrecipe: {epochs: 10}\n")
    assert load_scale("paper").paper_setting
    assert not load_scale(str(tmp_path / "mine.yaml")).paper_setting


def test_null_takes_a_key_away(extended):
    assert "fig3a" not in extended("figures: {fig3a: null}\n").figures


def test_another_family_replaces_the_network_as_a_whole(extended):
    runs = "datasets: {fashion-mnist-quick: {runs: {resnet-8: {network: %s}}}}\n"
    same = extended(runs % "{width: 4}").run("fashion-mnist-quick/resnet-8").network
    assert (same.name, same.depth, same.width) == ("resnet", 8, 4)
    other = extended(runs % "{name: densenet-bc, depth: 10, growth: 6}")
    assert other.run("fashion-mnist-quick/resnet-8").network.name == "densenet-bc"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("recipe: {epoch: 3}\n", "mine.yaml: key 'recipe.epoch': unknown; choose from epochs"),
        ("name: other\n", "mine.yaml: key 'name': unknown: it is the file's own name"),
        ("seedz: [1]\n", "key 'seedz': unknown; choose from .*, figures, checkpoint_minutes"),
        ("seeds: [1]\nseeds: [2]\n", "key 'seeds' appears twice"),
        ("recipe: {epochs: 3, gamma: 0.1, epochs: 4}\n", "key 'epochs' appears twice"),
    ],
)
def test_its_mistakes_are_named(extended, text, expected):
    with pytest.raises(ParameterError, match=expected):
        extended(text)


def test_all_mistakes_are_reported_at_once_and_those_that_runs_inherit_once(extended):
    with pytest.raises(ParameterError) as error:
        extended("recipe: {batch_size: '64'}\nseedz: [1]\n")
    keys = [line.split("'")[1] for line in str(error.value).splitlines()]
    assert keys == ["recipe.batch_size", "seedz"]


def test_what_it_extends_is_named_with_the_file_that_says_so(root, tmp_path, monkeypatch):
    monkeypatch.chdir(root)
    for extended, expected in (("quik", "there is no scale 'quik'"), ("3", "the name of a scale")):
        (tmp_path / "mine.yaml").write_text(f"extends: {extended}\n")
        with pytest.raises(ParameterError, match=rf"mine\.yaml: key 'extends': {expected}"):
            load_scale(str(tmp_path / "mine.yaml"))


def test_keys_are_text_and_numbers_may_lack_a_dot(extended):
    network = "{name: resnet, depth: 8, width: 8}"
    for name in ("8", "yes", "1e3"):
        runs = f"{{{name}: {{network: {network}}}}}"
        scale = extended(f"datasets: {{fashion-mnist-quick: {{runs: {runs}}}}}\n")
        assert f"fashion-mnist-quick/{name}" in scale.listed
    assert extended("recipe: {weight_decay: 1e-3}\n").recipe.weight_decay == 1e-3
    assert extended("").recipe.weight_decay == 1e-4


def test_anchors_may_be_merged_before_they_are_read(tmp_path):
    path = tmp_path / "some.yaml"
    path.write_text("a: {b: &b {<<: {x: 1}, x: 2}}\nc: {<<: *b, x: 3}\n")
    assert read_mapping(path) == {"a": {"b": {"x": 2}}, "c": {"x": 3}}


def test_a_file_in_another_encoding_is_named(tmp_path):
    (tmp_path / "mine.yaml").write_bytes("extends: quick\ndescription: caf\xe9\n".encode("latin-1"))
    with pytest.raises(ParameterError, match=r"mine\.yaml is not UTF-8 text"):
        load_scale(str(tmp_path / "mine.yaml"))


@pytest.mark.parametrize("name", ["a b", "a/b", "..", "-x", "{a}", "$HOME", "résnet", "a" * 101])
def test_runs_and_figures_have_names_that_files_and_commands_can_have(extended, name):
    run = f"{{{name!r}: {{network: {{name: resnet, depth: 8, width: 8}}}}}}"
    figure = "kind: budget, dataset: fashion-mnist-quick, lines: [i-resnext], points: []"
    with pytest.raises(ParameterError, match="a run cannot be called"):
        extended(f"datasets: {{fashion-mnist-quick: {{runs: {run}}}}}\n")
    with pytest.raises(ParameterError, match="a figure cannot be called"):
        extended(f"figures: {{{name!r}: {{{figure}}}}}\n")


def test_a_scale_has_such_a_name_too(root, tmp_path, monkeypatch):
    monkeypatch.chdir(root)
    (tmp_path / "my scale.yaml").write_text("extends: quick\n")
    with pytest.raises(ParameterError, match="a scale cannot be called 'my scale'"):
        load_scale(str(tmp_path / "my scale.yaml"))


def test_no_figure_takes_the_name_of_a_rule(root):
    files = [root / "Snakefile", *(root / "workflow/rules").glob("*.smk")]
    rules = {name for f in files for name in re.findall(r"^rule (\w+):", f.read_text(), re.M)}
    assert rules
    assert rules <= NO_FIGURES


def test_it_cannot_extend_itself(tmp_path):
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"{name}.yaml").write_text(f"extends: {other}\n")
    with pytest.raises(ParameterError, match=r"b\.yaml: key 'extends': 'a' extends this file"):
        load_scale("a", tmp_path)


def test_lists_are_replaced_and_mappings_merged():
    assert merge([{"a": [1], "b": {"c": 1}}, {"a": [2, 3], "b": {"d": 2}}]) == {
        "a": [1],
        "b": {"c": 1, "d": 2},
    }


def test_a_setting_changes_its_run_alone(root, monkeypatch):
    monkeypatch.chdir(root)
    changes = changes_of(RUN, ["recipe.epochs=1", "recipe.milestones=[]", "network.K=2"])
    scale = load_scale("quick", changes=changes)
    assert scale.run(RUN).recipe.epochs == 1
    assert scale.run(RUN).network.subnetworks == 2
    assert scale.recipe.epochs == 5
    assert scale.run("fashion-mnist-quick/msdnet").recipe.epochs == 5


def test_fewer_epochs_than_phases_say_what_to_set_too(root, monkeypatch):
    monkeypatch.chdir(root)
    with pytest.raises(
        ParameterError, match="1 are fewer than the 3 phases of the learning rate: set"
    ):
        load_scale("quick", changes=changes_of(RUN, ["recipe.epochs=1"]))


@pytest.mark.parametrize("setting", ["recipe.epochs", "=3", "recipe.epochs=[1"])
def test_what_is_no_setting_is_refused(setting):
    with pytest.raises(ParameterError, match="--set"):
        changes_of(RUN, [setting])
