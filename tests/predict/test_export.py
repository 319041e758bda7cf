"""What is exported gives the network's logits on any ONNX engine."""

import json
from concurrent.futures import ThreadPoolExecutor
from operator import attrgetter

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from anyslice.cli.main import main
from anyslice.networks import build
from anyslice.networks.heads import levels
from anyslice.predict import AnytimePredictor
from anyslice.predict.lowering import aten, lower

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


def run_file(path, *inputs):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    places = [place.name for place in session.get_inputs()]
    return session.run(None, dict(zip(places, inputs[-len(places) :], strict=True)))


@pytest.fixture(scope="module")
def exported(folder_of, tmp_path_factory):
    """All files of a model, written once."""
    written = {}

    def export(name):
        if name not in written:
            written[name] = tmp_path_factory.mktemp(name)
            command = ["export", str(folder_of(name)), "--output", str(written[name])]
            CliRunner().invoke(main, command, catch_exceptions=False)
        return written[name]

    return export


@pytest.mark.slow
@pytest.mark.parametrize("name", ["i-resnext", "msdnet", "levels"])
def test_every_subnetwork_gives_the_trained_networks_logits(exported, predictor_of, images, name):
    network = predictor_of(name).run.network
    for count in (1, 5):  # the batch is free
        with torch.inference_mode():
            expected = network(images[:count])
        for k, logits in enumerate(expected, start=1):
            found = run_file(exported(name) / f"subnetwork-{k}.onnx", images[:count].numpy())
            for ours, theirs in zip(found, levels(logits), strict=True):
                np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["msdnet", "levels"])
def test_steps_hand_their_features_on(exported, predictor_of, images, name):
    network = predictor_of(name).run.network
    with torch.inference_mode():
        expected = network(images)
    features = []
    for k, logits in enumerate(expected, start=1):
        found = run_file(exported(name) / f"step-{k}.onnx", images.numpy(), *features)
        for ours, theirs in zip(found, levels(logits), strict=False):
            np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=1e-4)
        features = found[network.D :]
    assert not features


@pytest.mark.slow
def test_a_network_that_is_not_interruptible_has_no_steps(exported):
    names = sorted(path.name for path in exported("i-resnext").iterdir())
    assert names == [f"subnetwork-{k}.onnx" for k in range(1, 5)]


@pytest.mark.slow
def test_the_metadata_are_enough_to_use_a_file(exported, predictor_of):
    run = predictor_of("levels").run
    model = onnx.load(exported("levels") / "subnetwork-2.onnx")
    facts = {p.key.removeprefix("anyslice."): p.value for p in model.metadata_props}
    assert [opset.version for opset in model.opset_import if not opset.domain] == [20]
    assert json.loads(facts["class_names"])[-1] == "Ankle boot"
    assert json.loads(facts["images"])["mean"] == list(run.deployment.images.mean)
    assert json.loads(facts["images"])["size"] == 16
    assert facts["pixels"].startswith("grey, 0 ... 255 divided by 255")
    assert json.loads(facts["levels"])[1]["names"] == list(run.deployment.levels[1].names)
    assert json.loads(facts["macs"]) == run.deployment.macs[1]
    assert facts["run"] == run.name
    assert [output.name for output in model.graph.output] == ["logits_1", "logits_2"]


@pytest.mark.slow
def test_norms_behind_convolutions_are_folded(exported):
    for path in (exported("levels") / "subnetwork-4.onnx", exported("msdnet") / "step-2.onnx"):
        graph = onnx.load(path).graph
        taken = [name for node in graph.node for name in node.input]
        made_by = {output: node.op_type for node in graph.node for output in node.output}
        for node in graph.node:
            if node.op_type == "BatchNormalization" and made_by.get(node.input[0]) == "Conv":
                assert taken.count(node.input[0]) > 1  # a residual sum takes it as well


@pytest.mark.slow
@pytest.mark.parametrize("name", ["levels"])
def test_the_predictor_answers_alike_on_both_engines(folder_of, predictor_of, test_batch, name):
    ours = AnytimePredictor.load(folder_of(name), engine="onnxruntime")
    theirs = predictor_of(name)
    images = test_batch.images[:20]
    for k in range(1, ours.K + 1):
        for mine, other in zip(
            ours.predict(images, subnetwork=k), theirs.predict(images, subnetwork=k), strict=True
        ):
            assert mine.probability == pytest.approx(other.probability, abs=1e-4)
    confident = [p.predict(images, confidence=0.9) for p in (ours, theirs)]
    for mine, other in zip(*confident, strict=True):
        assert (mine.label, mine.subnetwork, mine.macs) == (
            other.label,
            other.subnetwork,
            other.macs,
        )


@pytest.mark.slow
def test_threads_that_begin_at_once_get_the_answers_of_one(
    folder_of, predictor_of, images, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # each finds nothing exported
    predictor = AnytimePredictor.load(folder_of("is-resnext"), engine="onnxruntime")
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda k: predictor.predict(images, subnetwork=k), (1, 2)))
    for k, answers in enumerate(found, start=1):
        expected = predictor_of("is-resnext").predict(images, subnetwork=k)
        assert [answer.label for answer in answers] == [answer.label for answer in expected]


@pytest.mark.slow
def test_one_subnetwork_alone(folder_of, tmp_path):
    command = ["export", str(folder_of("is-resnext")), "--subnetwork", "2", "--format", "onnx"]
    result = CliRunner().invoke(main, [*command, "--output", str(tmp_path)])
    assert result.exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["subnetwork-2.onnx"]


def test_a_subnetwork_that_is_not_there(folder_of, tmp_path):
    command = ["export", str(folder_of("is-resnext")), "--subnetwork", "7"]
    result = CliRunner().invoke(main, [*command, "--output", str(tmp_path)])
    assert result.exit_code == 1
    assert "no sub-network 7: k must be in 1 ... 4" in result.output


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
