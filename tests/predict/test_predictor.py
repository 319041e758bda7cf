"""A budget in, the best answer out."""

import re
import time
import warnings
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from released import MODELS

from anyslice.costs.machine import this_machine
from anyslice.costs.macs import cost_of
from anyslice.errors import AnysliceError
from anyslice.predict import AnytimePredictor, BudgetError, ImageError, cache
from anyslice.predict.budget import attempts, largest_within
from anyslice.predict.latency import Latency, LatencyTable
from anyslice.taxonomy.labels import spoken, spoken_names

every_model = pytest.mark.parametrize("name", MODELS)


@pytest.fixture
def with_times(predictor_of, monkeypatch):
    """A predictor that takes its sub-networks and steps to need so many milliseconds each."""

    def make(name, milliseconds):
        predictor = predictor_of(name)
        times = tuple(Latency(m, (m, m), m) for m in milliseconds)
        table = LatencyTable(predictor.engine.name, {}, 1, 1, times, times)
        monkeypatch.setattr(predictor, "latency", lambda batch=1: table)
        return predictor

    return make


def logits_of(predictor, k, images, level=1):
    with torch.inference_mode():
        found = predictor.run.network(images)[k - 1]
    return (found if predictor.run.network.D == 1 else found[level - 1]).numpy()


@every_model
def test_each_subnetwork_answers_as_the_trained_network(predictor_of, images, name):
    predictor = predictor_of(name)
    for k in range(1, predictor.K + 1):
        answers = predictor.predict(images, subnetwork=k)
        for answer, row in zip(answers, logits_of(predictor, k, images), strict=True):
            expected = torch.tensor(row).softmax(0).numpy()
            assert answer.label == predictor.classes[0][row.argmax()]
            assert answer.subnetwork == k
            assert answer.macs == predictor.run.deployment.macs[k - 1]
            assert answer.probability == max(answer.probabilities.values())
            assert sum(answer.probabilities.values()) == pytest.approx(1)
            for label, probability in zip(predictor.classes[0], expected, strict=True):
                assert answer.probabilities[label] == pytest.approx(probability, abs=1e-5)


@every_model
def test_refining_gives_every_subnetworks_answer_and_the_macs_spent_so_far(
    predictor_of, images, name
):
    predictor = predictor_of(name)
    steps = list(predictor.refine(images))
    assert len(steps) == predictor.K
    for k, answers in enumerate(steps, start=1):
        alone = predictor.predict(images, subnetwork=k)
        assert [a.label for a in answers] == [a.label for a in alone]
        assert [a.probability for a in answers] == pytest.approx([a.probability for a in alone])
        assert {a.macs for a in answers} == {predictor.run.deployment.cumulative_macs[k - 1]}
    for before, after in pairwise(steps):
        assert before[0].milliseconds < after[0].milliseconds


def test_stopping_the_refinement_computes_nothing_more(predictor_of, images):
    class OneStep(torch.nn.Module):
        def forward(self, x):
            next(predictor.refine(x))

    predictor = predictor_of("is-resnext")
    next(predictor.refine(images))  # the engine is made ready once
    spent = cost_of(OneStep(), images[:1]).macs
    assert spent == predictor.run.deployment.macs[0]


class Recorded(torch.nn.Module):
    """As a recorded CUDA graph: a call overwrites what the call before gave."""

    def __init__(self, module):
        super().__init__()
        self.module, self.outputs = module, None

    def forward(self, *inputs):
        found = self.module(*inputs)
        if self.outputs is None:
            self.outputs = found
        for place, tensor in zip(self.outputs, found, strict=True):
            place.copy_(tensor)
        return self.outputs


@pytest.mark.parametrize("recording", [False, True])
@pytest.mark.parametrize("name", ["is-resnext", "msdnet"])
def test_two_refinements_in_turns_do_not_disturb_each_other(
    predictor_of, images, monkeypatch, name, recording
):
    predictor = predictor_of(name)
    expected = [[s[0].probability for s in predictor.refine(i)] for i in (images[:1], images[1:2])]
    if recording:
        steps = [Recorded(step) for step in predictor.run.network.steps()]
        monkeypatch.setattr(predictor.engine, "_steps", lambda: steps)
        monkeypatch.setattr(predictor.engine, "recording", True)
    turns = zip(predictor.refine(images[:1]), predictor.refine(images[1:2]), strict=True)
    found = [(one[0].probability, other[0].probability) for one, other in turns]
    assert found == list(zip(*expected, strict=True))


def test_without_a_budget_the_full_network_answers(predictor_of, images):
    predictor = predictor_of("i-resnext")
    assert predictor.predict(images)[0].subnetwork == predictor.K


def test_macs_choose_the_largest_subnetwork_that_fits(predictor_of, images):
    predictor = predictor_of("i-resnext")
    costs = predictor.run.deployment.macs
    for k, cost in enumerate(costs, start=1):
        assert predictor.predict(images, macs=cost)[0].subnetwork == k
        assert k == 1 or predictor.predict(images, macs=cost - 1)[0].subnetwork == k - 1
    assert predictor.predict(images, macs=1e12)[0].subnetwork == predictor.K


@pytest.mark.parametrize(("budget", "expected"), [(1, 1), (2.5, 2), (4, 4), (100, 4)])
def test_milliseconds_choose_by_the_times_of_this_machine(with_times, images, budget, expected):
    predictor = with_times("i-resnext", [1, 2, 3, 4])
    assert predictor.predict(images, milliseconds=budget)[0].subnetwork == expected


def test_a_budget_below_the_thinnest_is_an_error_that_names_it_or_a_warning(with_times, images):
    predictor = with_times("i-resnext", [1, 2, 3, 4])
    least = predictor.run.deployment.macs[0]
    with pytest.raises(BudgetError, match=f"the least is {least} multiply-adds, of sub-network 1"):
        predictor.predict(images, macs=least - 1)
    with pytest.raises(BudgetError, match=r"0\.5 ms are too few: the least is 1 ms"):
        predictor.predict(images, milliseconds=0.5)
    with pytest.warns(UserWarning, match="too few"):
        answer = predictor.predict(images, milliseconds=0.5, below="warn")[0]
    assert answer.subnetwork == 1


@pytest.mark.parametrize("name", ["i-resnext", "is-resnext"])
def test_a_deadline_that_leaves_time_for_everything_gets_the_full_network(with_times, images, name):
    predictor = with_times(name, [1, 2, 3, 4])
    answer = predictor.predict(images, deadline=10_000)[0]
    assert (answer.subnetwork, answer.late) == (predictor.K, 0)
    assert 0 < answer.milliseconds < 10_000


@pytest.mark.parametrize("name", ["i-resnext", "is-resnext"])
def test_what_would_miss_the_deadline_is_not_begun(with_times, images, name):
    predictor = with_times(name, [1, 1, 1e6, 1e6])
    assert predictor.predict(images, deadline=10_000)[0].subnetwork == 2


def test_a_subnetwork_alone_answers_where_steps_would_not_come_as_far(with_times, images):
    """By steps there is time for the second only, after 3 of 4.5 seconds."""
    predictor = with_times("is-resnext", [1000, 2000, 3000, 4000])
    answer = predictor.predict(images, deadline=4500)[0]
    assert answer.subnetwork == 4
    assert answer.macs == predictor.run.deployment.macs[3]


@pytest.mark.slow
def test_on_a_machine_that_became_slow_deadlines_are_still_met(with_times, images, monkeypatch):
    """All take three times as long as measured; one call could be an exception, two are none."""
    predictor = with_times("i-resnext", [20, 40, 60, 80])
    logits = predictor.engine.subnetwork(1, images[:1])

    def slow(k, inputs):
        time.sleep(3 * 20 * k / 1000)
        return logits

    monkeypatch.setattr(predictor.engine, "subnetwork", slow)
    predictor.prepare()
    answers = [predictor.predict(images[:1], deadline=160)[0] for _ in range(6)]
    assert [(a.subnetwork, a.late > 0) for a in answers] == [(4, True)] * 2 + [(2, False)] * 4


@pytest.mark.parametrize("recording", [False, True])
@pytest.mark.parametrize("name", ["i-resnext", "is-resnext"])
def test_what_an_engine_does_once_is_done_before_time_counts(
    with_times, images, monkeypatch, name, recording
):
    """Not in a call without a deadline; with one, only what `prepare` has done is not counted.

    Times may be kept from another day, and networks loaded at the first call; on a GPU kernels are
    recorded at the first call with each number of images.
    """
    predictor = with_times(name, [1, 2, 3, 4])
    done, clock = set(), [0.0]

    def slow_at_first(part):
        run = getattr(predictor.engine, part)

        def call(k, inputs, *before):
            first = (part, k, len(inputs) if recording else None)
            if first not in done:
                clock[0] += 0.2
            done.add(first)
            return run(k, inputs, *before)

        return call

    only_that = SimpleNamespace(perf_counter=lambda: clock[0])
    monkeypatch.setattr("anyslice.predict.predictor.time", only_that)
    monkeypatch.setattr(predictor.engine, "recording", recording)
    for part in ("subnetwork", "step"):
        monkeypatch.setattr(predictor.engine, part, slow_at_first(part))
    assert predictor.predict(images[:1], subnetwork=1)[0].milliseconds == 0
    unprepared = predictor.predict(images[:1], deadline=3)[0]
    assert unprepared.late == pytest.approx(unprepared.milliseconds - 3)
    assert unprepared.milliseconds >= 600
    for some in (images[:1], images[:3]):
        predictor.prepare(len(some))
        for deadline in (0.001, 3, 10_000):
            assert predictor.predict(some, deadline=deadline)[0].milliseconds == 0


@pytest.mark.parametrize("name", ["i-resnext", "is-resnext"])
def test_a_deadline_that_cannot_be_met_gets_the_thinnest_and_says_how_late_it_was(
    with_times, images, name
):
    predictor = with_times(name, [1, 2, 3, 4])
    start = time.perf_counter()
    answer = predictor.predict(images, deadline=0.001)[0]
    whole = 1e3 * (time.perf_counter() - start)
    assert answer.subnetwork == 1
    assert answer.late == pytest.approx(answer.milliseconds - 0.001)
    assert 0 < answer.late < whole


@pytest.mark.parametrize(("name", "confidence"), [("is-resnext", 0.8), ("msdnet", 0.6)])
def test_confidence_saves_macs_and_loses_little(predictor_of, test_batch, name, confidence):
    """On the quick scale's test images: within half a point of the full network's error.

    The first exit of this MSDNet costs nearly half of the whole, so less is left to save.
    """
    predictor = predictor_of(name)
    answers = predictor.predict(test_batch.images, confidence=confidence)
    truth = [predictor.classes[0][label] for label in test_batch.labels]
    wrong = np.mean([a.label != t for a, t in zip(answers, truth, strict=True)]) * 100
    assert wrong <= predictor.run.test_error[-1][0] + 0.5
    share = np.mean([answer.macs for answer in answers]) / predictor.run.deployment.macs[-1]
    print(f"\n{name}: {share:.2f} of the full network's MACs, {wrong:.2f} % error")
    assert share <= 0.6
    for answer in answers[:100]:  # each is that of the sub-network that it names
        assert answer.macs == predictor.run.deployment.cumulative_macs[answer.subnetwork - 1]


@pytest.mark.slow
@every_model
def test_an_image_stops_early_exactly_when_its_answer_is_probably_right(
    predictor_of, test_batch, name
):
    predictor = predictor_of(name)
    images = test_batch.images[:50]
    for answer, image in zip(predictor.predict(images, confidence=0.9), images, strict=True):
        order = attempts(predictor.K, predictor.interruptible)
        tried = [k for k in order if k <= answer.subnetwork]
        for k in tried:
            alone = predictor.predict(image[None], subnetwork=k)[0]
            calibration = predictor.run.deployment.calibration[k - 1][0]
            below = np.searchsorted(calibration.confidences, alone.probability, "right")
            share = calibration.accuracies[max(below - 1, 0)]
            near = np.min(np.abs(np.array(calibration.confidences) - alone.probability)) < 1e-5
            if k < predictor.K and not near:
                assert (share >= 0.9) == (k == answer.subnetwork)
        assert alone.label == answer.label


def test_networks_that_share_nothing_pay_for_every_attempt(predictor_of, test_batch):
    predictor = predictor_of("i-resnext")
    macs = predictor.run.deployment.macs
    for answer in predictor.predict(test_batch.images[:50], confidence=0.95):
        tried = [k for k in (1, 2, 4) if k <= answer.subnetwork]
        assert answer.macs == sum(macs[k - 1] for k in tried)


@pytest.mark.parametrize("name", ["i-resnext", "is-resnext"])
def test_a_confident_answer_comes_from_a_subnetwork_as_accurate_as_asked(
    predictor_of, images, name
):
    """Only an interruptible network goes through the smaller ones."""
    predictor = predictor_of(name)
    *smaller, (full,) = predictor.run.accuracy
    assert max(smaller) < (full,)
    spent = predictor.run.deployment
    macs = spent.cumulative_macs if predictor.interruptible else spent.macs
    for answer in predictor.predict(images, confidence=0.01, accuracy=full):
        assert (answer.subnetwork, answer.macs) == (4, macs[3])
    with pytest.raises(BudgetError, match="sub-network 4 is at most"):
        predictor.predict(images, confidence=0.01, accuracy=1.0)


def test_accuracy_chooses_the_finest_level_that_reaches_it(predictor_of, images):
    predictor = predictor_of("levels")
    reached = predictor.run.accuracy
    for k in range(1, predictor.K + 1):
        fine, coarse = reached[k - 1]
        assert fine < coarse
        answer = predictor.predict(images, subnetwork=k, accuracy=fine)[0]
        assert (answer.level, answer.subnetwork) == (1, k)
        answer = predictor.predict(images, subnetwork=k, accuracy=coarse)[0]
        assert (answer.level, answer.label in predictor.classes[1]) == (2, True)
        row = logits_of(predictor, k, images[:1], level=2)[0]
        assert answer.label == predictor.classes[1][row.argmax()]


def test_accuracy_without_a_budget_takes_the_smallest_subnetwork_that_reaches_it(
    predictor_of, images
):
    predictor = predictor_of("is-resnext")
    for k, (share,) in enumerate(predictor.run.accuracy, start=1):
        smaller = [share for (share,) in predictor.run.accuracy[: k - 1]]
        if share > max(smaller, default=0):
            assert predictor.predict(images, accuracy=share)[0].subnetwork == k


def test_an_accuracy_that_nothing_reaches_is_an_error_or_a_warning(predictor_of, images):
    predictor = predictor_of("levels")
    with pytest.raises(BudgetError, match=r"sub-network 1 is at most .*% accurate \(level 2\)"):
        predictor.predict(images, subnetwork=1, accuracy=1.0)
    with pytest.warns(UserWarning, match="at most"):
        answer = predictor.predict(images, subnetwork=1, accuracy=1.0, below="warn")[0]
    assert answer.level == 2


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({"macs": 1e6, "deadline": 3}, "one budget, not macs and deadline"),
        ({"macs": 0}, "macs=0: a budget is more than 0"),
        ({"deadline": -1}, "deadline=-1: a budget is more than 0"),
        ({"macs": "5"}, "macs='5': a number is needed"),
        ({"milliseconds": [5]}, r"milliseconds=\[5\]: a number is needed"),
        ({"confidence": "0.9"}, "confidence='0.9': a number is needed"),
        ({"accuracy": True}, "accuracy=True: a number is needed"),
        ({"subnetwork": 1.0}, "subnetwork=1.0: a whole number is needed"),
        ({"milliseconds": float("nan")}, "milliseconds=nan"),
        ({"confidence": 90}, r"confidence=90 must be in 0 \.\.\. 1"),
        ({"accuracy": 0}, "accuracy=0 must be in"),
        ({"macs": 1, "below": "raise"}, "below=raise: choose from error, warn"),
        ({"subnetwork": 5}, r"no sub-network 5: k must be in 1 \.\.\. 4"),
    ],
)
def test_budgets_that_cannot_be_are_refused(predictor_of, images, budget, message):
    with pytest.raises(ValueError, match=message):
        predictor_of("i-resnext").predict(images, **budget)


@pytest.mark.slow
def test_more_images_than_one_call_takes_get_the_same_answers(predictor_of, test_batch):
    predictor = predictor_of("is-resnext")
    many = test_batch.images[:150]
    alone = [predictor.predict(image[None], confidence=0.9)[0].label for image in many]
    assert [a.label for a in predictor.predict(many, confidence=0.9)] == alone


def test_predictions_do_not_depend_on_pictures_being_files(predictor_of, photo, sources):
    predictor = predictor_of("is-resnext")
    assert predictor.predict(photo)[0].probabilities == pytest.approx(
        predictor.predict(sources[0])[0].probabilities
    )
    with pytest.raises(ImageError):
        predictor.predict(photo.parent)


def renderings(picture):
    """The same grey picture in every way that one may meet it."""
    grey = Image.fromarray(picture)
    colour = Image.merge("RGB", [grey] * 3)
    return {
        "colour": colour,
        "palette": colour.quantize(256),
        "opaque": colour.convert("RGBA"),
        "CMYK": colour.convert("CMYK"),
        "16 bits": Image.fromarray(picture.astype(np.uint16) * 257),
        "real": Image.fromarray(picture.astype(np.float32) / 255),
        "array": np.dstack([picture] * 3),
    }


def test_the_answer_does_not_depend_on_how_a_picture_is_stored(predictor_of, sources):
    predictor = predictor_of("is-resnext")
    for picture in sources[:5]:
        expected = predictor.predict(picture)[0]
        for name, image in renderings(picture).items():
            found = predictor.predict(image)[0]
            assert found.label == expected.label, name
            assert found.probability == pytest.approx(expected.probability, abs=0.01), name


def test_no_warning_where_everything_fits(predictor_of, images):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predictor_of("levels").predict(images, subnetwork=1, accuracy=0.1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("albatross.n.02", "albatross"),
        ("new_world_flycatcher.n.01", "new world flycatcher"),
        ("001.Black_footed_Albatross", "Black footed Albatross"),
        ("T-shirt/top", "T-shirt/top"),
        ("Ankle boot", "Ankle boot"),
    ],
)
def test_labels_are_named_as_people_say_them(name, expected):
    assert spoken(name) == expected


@pytest.mark.slow
def test_times_are_measured_once_for_each_machine_threads_and_engine(folder_of, monkeypatch):
    from anyslice.predict import latency

    measured = []
    monkeypatch.setattr(latency, "SECONDS", 0.1)
    original = latency.measure
    monkeypatch.setattr(latency, "measure", lambda *a: measured.append(a) or original(*a))

    def table(batch=1):
        return AnytimePredictor.load(folder_of("i-resnext"), engine="torch").latency(batch)

    first = table()
    assert len(first.subnetworks) == 4
    assert first.steps == ()
    assert table() == first
    assert len(measured) == 1
    assert table(batch=2).batch == 2
    torch.set_num_threads(2)
    assert table().machine.threads == 2
    assert len(measured) == 3


@pytest.mark.slow
def test_times_are_kept_under_the_threads_that_ran(folder_of, monkeypatch):
    """ONNX Runtime keeps the number that it was loaded with, PyTorch's own may change."""
    from anyslice.predict import latency

    def measure(network, engine, batch):
        return LatencyTable(engine.name, this_machine(engine.threads), batch, 1, (), ())

    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(latency, "measure", measure)
    for engine, threads in {"torch": 2, "onnxruntime": 1}.items():
        predictor = AnytimePredictor.load(folder_of("i-resnext"), engine=engine, threads=1)
        assert predictor.latency(batch=3).machine.threads == 1
        torch.set_num_threads(2)
        assert predictor.latency(batch=3).machine.threads == threads
        ours = AnytimePredictor.load(folder_of("i-resnext"), engine=engine)
        assert ours.latency(batch=3).machine.threads == 2


def test_other_code_uses_nothing_that_was_kept(tmp_path, monkeypatch):
    def place(lowering):
        package = tmp_path / lowering
        (package / "predict").mkdir(parents=True)
        (package / "predict/lowering.py").write_text(lowering)
        monkeypatch.setattr(cache, "PACKAGE", package)
        return cache.cached_path("onnx", {"weights": "the same"}, ".onnx")

    assert place("WIDTH = 8") != place("WIDTH = 16")


@pytest.mark.parametrize("damage", [lambda c: c[:40], lambda c: b"", lambda c: c[:-1] + b"?"])
def test_what_is_damaged_in_the_cache_counts_as_not_there(tmp_path, damage):
    path = tmp_path / "onnx" / "kept.onnx"
    assert cache.read_cached(path) is None
    cache.keep_cached(path, b"a model " * 9)
    assert cache.read_cached(path) == b"a model " * 9
    path.write_bytes(damage(path.read_bytes()))
    assert cache.read_cached(path) is None


def test_a_user_without_a_home_has_no_cache(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(cache.Path, "home", no_home)
    path = cache.cached_path("onnx", {"weights": "some"}, ".onnx")
    with pytest.warns(UserWarning, match="cannot be kept"):
        cache.keep_cached(path, b"a model")
    assert cache.read_cached(path) is None


def test_a_cache_that_cannot_be_written_is_done_without(folder_of, monkeypatch, tmp_path):
    from anyslice.predict import latency

    monkeypatch.setattr(latency, "SECONDS", 0.1)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    predictor = AnytimePredictor.load(folder_of("i-resnext"), engine="torch")
    with pytest.warns(UserWarning, match="cannot be kept"):
        assert len(predictor.latency().subnetworks) == 4


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"engine": "pytorch"}, "engine=pytorch: choose from auto, onnxruntime, torch"),
        ({"device": "gpu"}, "device gpu cannot be used"),
        ({"device": "cuda:99"}, "device cuda:99 cannot be used"),
        ({"threads": 0}, "threads=0: 1 to"),
        ({"threads": 100_000}, "can be used on this machine"),
    ],
)
def test_an_engine_or_device_that_is_not_there_is_refused(folder_of, choice, message):
    with pytest.raises(AnysliceError, match=message):
        AnytimePredictor.load(folder_of("i-resnext"), **choice)


@pytest.mark.parametrize("least", [2138432, 0.344743512, 31.41592, 1.0])
def test_the_least_budget_that_is_named_is_enough(least):
    with pytest.raises(BudgetError, match="the least is") as error:
        largest_within([least], least / 2, "units", "error")
    named = re.search(r"the least is (\S+)", str(error.value))[1]
    assert least <= float(named) < 1.002 * least
    assert largest_within([least], float(named), "units", "error") == 1


def test_a_number_of_numpy_names_a_subnetwork(predictor_of, images):
    (answer,) = predictor_of("i-resnext").predict(images[:1], subnetwork=np.int64(2))
    assert type(answer.subnetwork) is int


def test_labels_that_would_be_named_alike_stay_apart():
    names = ("crane.n.04", "crane.n.05", "albatross.n.02", "1.5mm", "2.5mm")
    assert spoken_names(names) == ("crane.n.04", "crane.n.05", "albatross", "1.5mm", "2.5mm")
