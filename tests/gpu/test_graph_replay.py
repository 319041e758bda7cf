"""A captured step is the eager one to the bit: replayed on the CPU, where numbers are real."""

import threading

import pytest
import torch
from replayed import replace_cuda_graphs
from steps import CPU, RECIPE, batch_of, network_of

from anyslice.training import step as training_step
from anyslice.training.distributed import Processes
from anyslice.training.loop import make_optimiser
from anyslice.training.options import Options
from anyslice.training.state import State, start_momentum
from anyslice.training.step import GraphStep, make_step

STEPS = 5
NAMES = ("i-resnext", "i-resnext, shared BN", "is-resnext, levels", "msdnet", "resnet")


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    """CUDA graphs that the CPU replays; it records PyTorch's operations, not our kernels."""
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    replace_cuda_graphs(monkeypatch)


def begin(name: str, graphs: bool) -> tuple[State, training_step.Step]:
    """A training's state and its step, both as on a GPU."""
    network = network_of(name).to(memory_format=torch.channels_last).train()
    optimiser = make_optimiser(network, RECIPE, CPU)
    optimiser.param_groups[0]["lr"] = torch.tensor(RECIPE.learning_rate)
    start_momentum(optimiser)
    step = make_step(network, optimiser, "sum", Processes(), Options(), CPU)
    chosen = GraphStep(network, optimiser, step) if graphs else step
    return State(network, optimiser, STEPS), chosen


def train(name: str, *, graphs: bool, resume_at: int | None = None) -> dict[str, torch.Tensor]:
    """Some steps: the rate changes, an evaluation lies between them, and the process may be new."""
    state, step = begin(name, graphs)
    for number in range(STEPS):
        if number == resume_at:
            tensors = {key: tensor.clone() for key, tensor in state.tensors().items()}
            numbers = state.numbers()
            state, step = begin(name, graphs)
            state.restore(tensors, numbers)
            state.network.train()
        if number == 2:
            with torch.no_grad():
                state.network.eval()(batch_of(state.network, 0, 4)[0])
            state.network.train()
        state.learning_rate = 0.1 / (number + 1)
        images, labels = batch_of(state.network, number, 8)
        state.losses[number] = step(images.contiguous(memory_format=torch.channels_last), labels)
        state.step += 1
    return state.tensors()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_captured_training_ends_with_the_bytes_of_an_eager_one(name):
    eager = train(name, graphs=False)
    for resume_at in (None, 3):
        captured = train(name, graphs=True, resume_at=resume_at)
        assert captured.keys() == eager.keys()
        for key, tensor in eager.items():
            assert torch.equal(tensor, captured[key]), (key, resume_at)


def test_a_thread_that_pins_batches_does_not_end_a_capture():
    """As that of a file data set's loader does, while the first step is captured."""
    done = threading.Event()
    pins = threading.Thread(target=done.wait)
    pins.start()
    try:
        state, step = begin("resnext", graphs=True)
        assert step(*batch_of(state.network, 0, 8)).isfinite().all()
    finally:
        done.set()
        pins.join()
