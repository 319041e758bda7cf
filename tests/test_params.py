"""A parameter file is checked before anything starts; errors name file, key and choices."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from anyslice.config.families import IResNeXtParams, ResNeXtParams
from anyslice.config.figures import (
    BatchNormFigure,
    BranchesFigure,
    JointAloneFigure,
    PropertiesFigure,
)
from anyslice.config.scale import ParameterError, canonical, load_scale

QUICK = Path("params/quick.yaml")


@pytest.fixture
def broken(root, tmp_path):
    """Load the quick scale with one text replaced by another."""

    def load(old: str, new: str):
        text = (root / QUICK).read_text()
        assert old in text
        path = tmp_path / "broken.yaml"
        path.write_text(text.replace(old, new, 1))
        return load_scale(str(path))

    return load


@pytest.mark.parametrize("scale", ["quick", "study", "paper"])
def test_every_scale_loads(root, scale):
    assert load_scale(scale, root / "params").name == scale


def test_the_paper_scale_is_the_papers(root):
    scale = load_scale("paper", root / "params")
    recipe = scale.datasets["cifar10"].recipe
    assert len(scale.seeds) == 5
    assert (recipe.epochs, recipe.batch_size, recipe.learning_rate) == (300, 64, 0.1)
    assert (recipe.momentum, recipe.nesterov, recipe.weight_decay) == (0.9, True, 1e-4)
    assert recipe.milestones == (0.5, 0.75)


def alone(joint, k):
    """The networks that sub-network k of a joint one is, to be trained by themselves."""
    block = {"name": "resnext", "L": joint.L, "W": joint.W, "B": joint.B}
    if isinstance(joint, IResNeXtParams):
        return [ResNeXtParams(**block, C=k * joint.C // joint.K)]
    whole = [ResNeXtParams(**block, C=joint.C)] if k == joint.subnetworks else []
    return [replace(joint, only=k), *whole]


@pytest.mark.parametrize("scale", ["quick", "study", "paper"])
def test_figures_compare_networks_that_differ_in_one_thing(root, scale):
    loaded = load_scale(scale, root / "params")
    for figure in loaded.figures.values():
        runs = loaded.datasets[figure.dataset].runs
        networks = {run: runs[run].network for run in figure.runs}
        match figure:
            case BatchNormFigure(independent=independent, shared=shared):
                assert replace(networks[independent], batch_norm="shared") == networks[shared]
            case BranchesFigure(joint=joint, alone=whole):
                assert networks[whole] in alone(networks[joint], networks[joint].K)
            case JointAloneFigure() | PropertiesFigure():
                for pair in (figure.thin, figure.shallow):
                    for k, run in enumerate(pair.alone, start=1):
                        assert networks[run] in alone(networks[pair.joint], k)


def test_the_quick_scale_keeps_the_papers_recipe_but_for_epochs(root):
    quick = load_scale("quick", root / "params").recipe
    paper = load_scale("paper", root / "params").datasets["cifar10"].recipe
    differing = [key for key in quick.__dict__ if getattr(quick, key) != getattr(paper, key)]
    assert differing == ["epochs"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("gpus: 0", "gpus: -1", ["key 'gpus'", "greater than or equal to 0", "-1"]),
        (
            "    runs:",
            "    gpus: two\n    runs:",
            ["fashion-mnist-quick.gpus'", "integer", '"two"'],
        ),
        (
            "stands_in_for:",
            "gpu: 2\n    stands_in_for:",
            ["fashion-mnist-quick.gpu'", "recipe, gpus, runs, stands_in_for"],
        ),
        ("gpus: 0", "gpus: 3", ["gpus': 3 GPUs cannot share a batch of 64"]),
        ("epochs: ", "epoch: ", ["'recipe.epoch'", "choose from epochs, batch_size"]),
        ("batch_size: 64", "batch_size: '64'", ["'recipe.batch_size'", "integer", '"64"']),
        ("milestones: [0.5,", "milestones: [5,", ["'recipe.milestones.0'", "less than 1"]),
        ("padding: black", "padding: grey", ["'recipe.padding'", "'black'", "'mean'"]),
        ("name: i-resnext", "name: u-resnext", ["network'", "'u-resnext'", "i-resnext, "]),
        ("stands_in_for:", "role:", ["fashion-mnist-quick.role'", "runs, stands_in_for"]),
        ("lines: [", "lines: [nothing, ", ["'figures.fig4a.lines.0'", "'nothing'", "i-resnext"]),
        ("seeds: [1, 2]", "seeds: [1, 2", ["not valid YAML"]),
        ("kind: budget", "kind: bar", ["figures.fig4a", "'budget'", "'levels'"]),
        ("block: 5", "block: 7", ["figures.fig3b", "no block 7"]),
        ("run: is-resnext-levels", "run: is-resnext", ["figures.fig5a", "hierarchy: true"]),
        (
            "alone: [resnext-20-c1, ",
            "alone: [",
            ["figures.fig3c.thin.alone'", "4 sub-networks", "here are 3"],
        ),
    ],
)
def test_a_wrong_file_names_itself_the_key_and_the_choices(broken, old, new, expected):
    with pytest.raises(ParameterError) as error:
        broken(old, new)
    for part in ["broken.yaml", *expected]:
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "key", "rule"),
    [
        (
            "i-resnext, L: 3, W: 16, B: 4, C: 4, K: 4}",
            "i-resnext, L: 3, W: 16, B: 4, C: 5, K: 4}",
            "datasets.fashion-mnist-quick.runs.i-resnext.network.C",
            "5 branches must be a multiple of K=4 sub-networks",
        ),
        (
            "is-resnext, L: 4, W: 16",
            "is-resnext, L: 6, W: 16",
            "datasets.fashion-mnist-files.runs.is-resnext.network.L",
            "6 must be a multiple of 4, the stages for 96 pixels",
        ),
        (
            "growth_factors: [1, 2, 4]\n          bottleneck_factors: [1, 2, 4]",
            "growth_factors: [1, 1, 1, 1, 1, 1]\n          bottleneck_factors: [1, 1, 1, 1, 1, 1]",
            "datasets.fashion-mnist-quick.runs.msdnet.network",
            "images of 16 pixels are too small for 6 stages: at least 32",
        ),
        (
            "C: 4}",
            "C: 4, widht: 3}",
            "datasets.fashion-mnist-quick.runs.resnext-11.network.widht",
            "choose from name, L, W, B, C",
        ),
        (
            "  fashion-mnist-files:",
            "  fashion-mnist-flies:",
            "datasets.fashion-mnist-flies",
            "no description of this data set (no file params/datasets/fashion-mnist-flies.yaml)",
        ),
        (
            "{name: resnet, depth: 8, width: 8}",
            "{name: torchvision, arch: resnet18, weights: DEFAULT}",
            "datasets.fashion-mnist-quick.runs.resnet-8.recipe.epochs",
            "released weights are evaluated: 0, not 5",
        ),
        (
            "{name: resnet, depth: 8, width: 8}",
            "{name: resnet, depth: 8, width: 8}\n        recipe: {epochs: 0}",
            "datasets.fashion-mnist-quick.runs.resnet-8.recipe.epochs",
            "fresh weights are trained: 1 or more",
        ),
        (
            "  epochs: 5",
            "  epochs: 2",
            "recipe.epochs",
            "2 are fewer than the 3 phases of the learning rate: set fewer milestones too",
        ),
        (
            "    recipe:\n      epochs: 3",
            "    recipe:\n      epochs: 1",
            "datasets.fashion-mnist-two-level.recipe.epochs",
            "1 are fewer than the 3 phases",
        ),
        (
            "milestones: [0.5, 0.75]",
            "milestones: [0.75, 0.5]",
            "recipe.milestones",
            "[0.75, 0.5] must rise",
        ),
        ("seeds: [1, 2]", "seeds: [1, 1, 2]", "seeds", "seed 1 appears 2 times"),
        ("seeds: [1, 2]", "seeds: []", "seeds", "at least 1 item"),
        ("points: [", "points: [i-resnext, ", "figures.fig4a.points.0", "this one has 4"),
        ("lines: [", "lines: [resnet-8, ", "figures.fig4a.lines.0", "this one has 1"),
        ("kind: budget", "kind: budget\n    z: 1", "figures.fig4a.z", "choose from kind, dataset"),
        ("kind: budget", "kind: budget\n    x: flops", "figures.fig4a.x", "'all_ops'"),
        (
            "kind: budget",
            "kind: budget\n    seeds: [3]",
            "figures.fig4a.seeds.0",
            "3 is not one of [1, 2]",
        ),
        (
            "kind: budget",
            "kind: budget\n    styles: {i-resnext-20: {label: x}}",
            "figures.fig4a.styles.i-resnext-20",
            "not a run of this figure; choose from i-resnext, is-resnext",
        ),
        (
            "kind: levels",
            "kind: levels\n    styles: {is-resnext-levels: {label: x}}",
            "figures.fig5a.styles",
            "unknown; choose from",
        ),
        (
            "kind: budget",
            "kind: budget\n    styles: {i-resnext: {colour: rose}}",
            "figures.fig4a.styles.i-resnext.colour",
            "'rose' is no colour of Matplotlib",
        ),
        (
            "independent: i-resnext-20",
            "independent: resnet-8",
            "figures.fig3a.independent",
            "a network of several sub-networks is needed",
        ),
        ("joint: i-resnext-20", "joint: resnext-20", "figures.fig3b.joint", "this one has 1"),
    ],
)
def test_a_scale_that_cannot_run_stops_when_it_is_loaded(broken, old, new, key, rule):
    with pytest.raises(ParameterError) as error:
        broken(old, new)
    assert any(f"key {key!r}" in line and rule in line for line in str(error.value).splitlines())


def test_from_a_wrong_folder_the_message_says_where_to_stand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParameterError, match=r"no file params/quick.yaml.*top of the repository"):
        load_scale("quick")


def test_an_override_is_checked_where_it_stands(broken):
    with pytest.raises(ParameterError, match=r"runs\.i-resnext\.recipe\.epoch'"):
        broken("      i-resnext:\n", "      i-resnext:\n        recipe: {epoch: 3}\n")


def test_a_run_overrides_the_scales_recipe(broken):
    scale = broken("      i-resnext:\n", "      i-resnext:\n        recipe: {epochs: 3}\n")
    dataset = next(iter(scale.datasets))
    assert scale.run(f"{dataset}/i-resnext").recipe.epochs == 3
    assert scale.run(f"{dataset}/is-resnext").recipe.epochs == scale.recipe.epochs


def test_an_unknown_key_of_a_run_lists_the_choices(broken):
    with pytest.raises(
        ParameterError, match=r"i-resnext\.gpu': unknown; choose from network, .*, gpus"
    ):
        broken("      i-resnext:\n", "      i-resnext:\n        gpu: 2\n")


def test_a_run_overrides_the_gpus_of_its_data_set_and_of_the_scale(broken):
    scale = broken("    runs:\n", "    gpus: 4\n    runs:\n")
    assert {scale.gpus_of(f"fashion-mnist-quick/{run}") for run in ("i-resnext", "msdnet")} == {4}
    assert scale.gpus_of("fashion-mnist-two-level/is-resnext-levels") == scale.gpus == 0
    scale = broken("      i-resnext:\n", "      i-resnext:\n        gpus: 2\n")
    gpus = {run: scale.gpus_of(f"fashion-mnist-quick/{run}") for run in ("i-resnext", "msdnet")}
    assert gpus == {"i-resnext": 2, "msdnet": 0}


def test_the_number_of_gpus_is_no_part_of_what_a_run_is(root, broken):
    name = "fashion-mnist-quick/i-resnext"
    four = broken("    runs:\n", "    gpus: 4\n    runs:\n")
    one = load_scale("quick", root / "params")
    assert four.gpus_of(name) != one.gpus_of(name)
    assert canonical(four.run(name)) == canonical(one.run(name))


def test_unknown_names_list_the_choices(root):
    with pytest.raises(ParameterError, match=r"no scale 'papier'.*choose from .*paper.*quick"):
        load_scale("papier", root / "params")
    scale = load_scale("quick", root / "params")
    with pytest.raises(ParameterError, match=r"choose from .*/i-resnext"):
        scale.run("fashion-mnist-quick/nothing")
    with pytest.raises(ParameterError, match="choose from fig"):
        scale.figure("fig9")


def test_a_scale_of_ones_own_beside_the_others_is_one_of_the_choices(root, tmp_path):
    shutil.copytree(root / "params", tmp_path / "params")
    (tmp_path / "params/mine.yaml").write_text("extends: quick\nseeds: [7]\n")
    assert load_scale("mine", tmp_path / "params").seeds == (7,)
    with pytest.raises(ParameterError, match="choose from mine, paper, pilot, quick, study"):
        load_scale("papier", tmp_path / "params")
