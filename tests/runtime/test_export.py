"""A trained run becomes a folder that answers as its network does."""

import json
import shutil
from operator import attrgetter

import pytest
import torch
from click.testing import CliRunner

from anyslice.cli.main import main
from anyslice.export.lowering import aten, lower
from anyslice.export.run_folder import load_run
from anyslice.networks import build
from anyslice.runtime import AnytimePredictor

onnx = pytest.importorskip("onnx")


def export(run, output):
    command = ["export", str(run), "--output", str(output), "--licence", "CC0"]
    return CliRunner().invoke(main, command)


@pytest.fixture(scope="module")
def exported(folder_of, write_run, tmp_path_factory):
    """A run with one graph missing, exported over what is there of it."""
    folder = tmp_path_factory.mktemp("exported") / "levels"
    shutil.copytree(folder_of("levels"), folder)
    (folder / "step-2.onnx").unlink()
    run = write_run("levels", tmp_path_factory.mktemp("run"))
    result = export(run, folder)
    assert result.exit_code == 0, result.output
    return run, folder, result.output


@pytest.mark.slow
def test_what_is_there_already_is_kept_and_what_is_missing_made(exported, folder_of):
    _, folder, said = exported
    lines = said.splitlines()
    assert [line for line in lines if "(kept)" not in line] == [
        line for line in lines if "step-2.onnx" in line
    ]
    for path in folder_of("levels").glob("*.onnx"):
        same = (folder / path.name).read_bytes() == path.read_bytes()
        assert same or path.name == "step-2.onnx"


@pytest.mark.slow
def test_the_folder_is_that_of_the_released_model(exported, folder_of):
    """Two exports differ in nothing but the licence that was given."""
    _, folder, _ = exported
    ours, theirs = (
        json.loads((f / "model.json").read_text()) for f in (folder, folder_of("levels"))
    )
    assert ours.pop("licence") == "CC0"
    assert theirs.pop("licence") == "MIT"
    del ours["graphs"], theirs["graphs"]
    assert ours == theirs
    assert "Weights: CC0" in (folder / "README.md").read_text()


@pytest.mark.slow
def test_it_answers_as_the_network(exported, images):
    run, folder, _ = exported
    predictor, network = AnytimePredictor(folder), load_run(run).network
    with torch.inference_mode():
        expected = network(torch.from_numpy(images))
    for answers, (fine, _) in zip(predictor.refine(images), expected, strict=True):
        shares = fine.softmax(1).max(1).values.tolist()
        assert [a.probability for a in answers] == pytest.approx(shares, abs=1e-5)


@pytest.mark.slow
def test_a_graph_of_other_weights_is_made_anew(exported, folder_of, tmp_path):
    run, folder, _ = exported
    shutil.copytree(folder, tmp_path / "old")
    shutil.copy(tmp_path / "old/subnetwork-1.onnx", tmp_path / "old/subnetwork-2.onnx")
    said = export(run, tmp_path / "old").output
    (made,) = [line for line in said.splitlines() if "(kept)" not in line]
    assert "subnetwork-2.onnx" in made


@pytest.mark.slow
def test_norms_behind_convolutions_are_folded(folder_of):
    for path in (folder_of("levels") / "subnetwork-4.onnx", folder_of("msdnet") / "all.onnx"):
        graph = onnx.load(path).graph
        taken = [name for node in graph.node for name in node.input]
        made_by = {output: node.op_type for node in graph.node for output in node.output}
        for node in graph.node:
            if node.op_type == "BatchNormalization" and made_by.get(node.input[0]) == "Conv":
                assert taken.count(node.input[0]) > 1  # a residual sum takes it as well


def test_the_outputs_have_names(folder_of):
    named = {
        name: [output.name for output in onnx.load(folder_of(model) / name).graph.output]
        for model, name in [("is-resnext", "all.onnx"), ("levels", "subnetwork-2.onnx")]
    }
    assert named == {
        "all.onnx": ["logits_1", "logits_2", "logits_3", "logits_4"],
        "subnetwork-2.onnx": ["logits_1", "logits_2"],
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "hyperparameters"),
    [
        ("i-resnext", {"L": 3, "W": 8, "B": 2, "C": 6, "K": 3}),
        ("is-resnext", {"L": 3, "W": 24, "B": 4, "C": 12, "K": 3}),
        (
            "msdnet",
            {"K": 2, "base": 2, "step": 1, "channels": 8, "growth": 4}
            | {"growth_factors": [1, 2, 4], "bottleneck_factors": [1, 2, 4]},
        ),
        ("resnet", {"depth": 8, "width": 4}),
        ("densenet-bc", {"depth": 10, "growth": 6}),
    ],
)
def test_lowering_keeps_the_function_and_folds_what_it_can(family, hyperparameters):
    torch.manual_seed(0)
    network = build(family, classes=5, image_size=16, **hyperparameters)
    images = torch.randn(4, 3, 16, 16)
    network(images)  # BN statistics that are not those of the start
    for k in {1, network.K}:
        module = network.eval().dense_subnetwork(k)
        lowered = lower(module, (images,))
        with torch.inference_mode():
            torch.testing.assert_close(lowered(images[:1]), module(images[:1]), rtol=0, atol=1e-5)
        operations = [node.target for node in lowered.graph.nodes]
        assert aten.conv2d.default in operations
        assert not {aten.pad.default, aten.zeros_like.default} & set(operations)
        for norm in lowered.graph.find_nodes(op="call_function", target=aten.batch_norm.default):
            source = norm.args[0]
            assert source.target != aten.conv2d.default or len(source.users) > 1


def test_features_fill_a_vector_but_before_a_3x3_convolution():
    torch.manual_seed(0)
    network = build("i-resnext", classes=5, image_size=16, L=3, W=16, B=4, C=4, K=4)
    images = torch.randn(4, 3, 16, 16)
    network(images)
    lowered = lower(network.eval().dense_subnetwork(1), (images,))
    shapes = [
        tuple(lowered.get_buffer(conv.args[1].target).shape)
        for conv in lowered.graph.find_nodes(op="call_function", target=aten.conv2d.default)
    ]
    into, within, out_of_first_block = (4, 16, 1, 1), (16, 4, 3, 3), (16, 16, 1, 1)
    assert {into, within, out_of_first_block} <= set(shapes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "hyperparameters", "k", "convolutions"),
    [
        ("i-resnext", {"L": 3, "W": 64, "B": 4, "C": 8, "K": 8}, 7, {(32, 16, 3, 3)}),
        ("i-resnext", {"L": 3, "W": 64, "B": 4, "C": 8, "K": 8}, 3, {(16, 16, 3, 3)}),
        (
            "is-resnext",
            {"L": 3, "W": 96, "B": 4, "C": 12, "K": 6},
            5,
            {(48, 16, 3, 3), (80, 48, 1, 1)},
        ),
    ],
)
def test_any_number_of_branches_becomes_convolutions_of_whole_vectors(
    family, hyperparameters, k, convolutions
):
    """Else ONNX Runtime would take longer for 7 of 8 branches than for all."""
    torch.manual_seed(0)
    network = build(family, classes=5, image_size=16, **hyperparameters)
    images = torch.randn(4, 3, 16, 16)
    network(images)
    module = network.eval().dense_subnetwork(k)
    lowered = lower(module, (images,))
    with torch.inference_mode():
        torch.testing.assert_close(lowered(images), module(images), rtol=0, atol=1e-5)
    weights = [
        attrgetter(conv.args[1].target)(lowered)
        for conv in lowered.graph.find_nodes(op="call_function", target=aten.conv2d.default)
    ]
    assert convolutions <= {tuple(weight.shape) for weight in weights}
    assert all(len(weight) % 16 == 0 for weight in weights)
