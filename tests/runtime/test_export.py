"""A trained run becomes a folder that answers as its network does."""

import json
import shutil
from operator import attrgetter

import pytest
import torch
from click.testing import CliRunner

from anyslice.cli.main import main
from anyslice.export.lowering import aten, lower
from anyslice.networks import build

onnx = pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def again(exported, tmp_path_factory):
    """A folder of which one graph is missing and another not the network's, exported over."""
    run, folder, _ = exported("levels")
    copy = shutil.copytree(folder, tmp_path_factory.mktemp("again") / "model")
    (copy / "step-2.onnx").unlink()
    shutil.copy(copy / "subnetwork-1.onnx", copy / "subnetwork-2.onnx")
    result = CliRunner().invoke(main, ["export", str(run), "--output", str(copy)])
    assert result.exit_code == 0, result.output
    return copy, result.output


@pytest.mark.slow
def test_graphs_that_are_there_already_are_not_made_again(again):
    made = [line for line in again[1].splitlines() if "(kept)" not in line]
    assert len(made) == 2
    assert "subnetwork-2.onnx" in made[0]
    assert "step-2.onnx" in made[1]


@pytest.mark.slow
def test_another_export_gives_the_same_bytes(again, exported):
    _, folder, _ = exported("levels")
    for path in folder.glob("*.onnx"):
        assert (again[0] / path.name).read_bytes() == path.read_bytes()


@pytest.mark.slow
def test_the_folder_says_what_the_record_of_the_training_does(exported, folder_of):
    """It differs from the released model's in nothing but the weights and the licence given."""
    _, folder, _ = exported("i-resnext")
    ours, theirs = (
        json.loads((f / "model.json").read_text()) for f in (folder, folder_of("i-resnext"))
    )
    assert ours.pop("licence") == "CC0"
    assert theirs.pop("licence") == "MIT"
    del ours["graphs"], theirs["graphs"]
    assert ours == theirs
    assert "Weights: CC0" in (folder / "README.md").read_text()


@pytest.mark.slow
def test_norms_behind_convolutions_are_folded(folder_of):
    for path in (
        folder_of("is-resnext") / "subnetwork-4.onnx",
        folder_of("msdnet") / "all.onnx",
    ):
        graph = onnx.load(path).graph
        taken = [name for node in graph.node for name in node.input]
        made_by = {output: node.op_type for node in graph.node for output in node.output}
        for node in graph.node:
            if node.op_type == "BatchNormalization" and made_by.get(node.input[0]) == "Conv":
                assert taken.count(node.input[0]) > 1  # a residual sum takes it as well


@pytest.mark.slow
def test_the_outputs_have_names(exported, folder_of):
    _, levels, _ = exported("levels")
    named = {
        path: [output.name for output in onnx.load(path).graph.output]
        for path in (folder_of("is-resnext") / "all.onnx", levels / "subnetwork-2.onnx")
    }
    assert list(named.values()) == [
        ["logits_1", "logits_2", "logits_3", "logits_4"],
        ["logits_1", "logits_2"],
    ]


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
