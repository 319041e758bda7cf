"""Several processes train as one, and go on exactly: over gloo, on the CPU."""

import contextlib
import copy
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest
import torch
import torch.distributed as dist
from click.testing import CliRunner

from anyslice.cli.main import main
from anyslice.config.families import MSDNetParams
from anyslice.config.scale import Run
from anyslice.datasets import open_dataset
from anyslice.datasets.dataset import Batch
from anyslice.datasets.manifest import read_manifest
from anyslice.files import read_json
from anyslice.jobs import launch
from anyslice.jobs.inputs import label_levels_of
from anyslice.jobs.interrupt import EXIT_CODE, Interrupted, Interrupts
from anyslice.jobs.train import choose_device, run_training
from anyslice.training import distributed
from anyslice.training.distributed import GlobalBatchNorm, processes_of_torchrun
from anyslice.training.loop import train
from anyslice_kernels import residual_block as fused

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def together():
    """Runs a function in several processes as torchrun would; its results by rank."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["anyslice.jobs.train", "torch._dynamo"])

    def run(function, *arguments, world=2):
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        results = context.Queue()
        processes = [
            context.Process(target=_joined, args=(rank, world, port, function, arguments, results))
            for rank in range(world)
        ]
        for process in processes:
            process.start()
        by_rank = dict(results.get(timeout=60) for _ in processes)
        for process in processes:
            process.join()
        return [by_rank[rank] for rank in range(world)]

    return run


def _joined(rank, world, port, function, arguments, results):
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(rank)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    results.put((rank, function(*arguments)))


class GpuKernels:
    """What PyTorch's kernels of global BN compute, which it has for GPUs only."""

    ACROSS = (0, 2, 3)

    @staticmethod
    def wide(channels):
        return channels.view(1, -1, 1, 1)

    @classmethod
    def batch_norm_stats(cls, x, eps):
        variance, mean = torch.var_mean(x, cls.ACROSS, correction=0)
        return mean, (variance + eps).rsqrt()

    @staticmethod
    def batch_norm_gather_stats_with_counts(
        x, means, inverse_stds, running_mean, running_var, momentum, eps, counts
    ):
        shares, total = (counts / counts.sum())[:, None], counts.sum()
        mean = (shares * means).sum(0)
        squares = inverse_stds**-2 - eps + means**2
        variance = (shares * squares).sum(0) - mean**2
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(variance * total / (total - 1), momentum)
        return mean, (variance + eps).rsqrt()

    @classmethod
    def batch_norm_elemt(cls, x, weight, bias, mean, inverse_std, eps):
        return (x - cls.wide(mean)) * cls.wide(inverse_std * weight) + cls.wide(bias)

    @classmethod
    def batch_norm_backward_reduce(cls, dy, x, mean, inverse_std, weight, *wanted):
        sum_dy = dy.sum(cls.ACROSS)
        sum_dy_xmu = (dy * (x - cls.wide(mean))).sum(cls.ACROSS)
        return sum_dy, sum_dy_xmu, sum_dy_xmu * inverse_std, sum_dy

    @classmethod
    def batch_norm_backward_elemt(
        cls, dy, x, mean, inverse_std, weight, sum_dy, sum_dy_xmu, counts
    ):
        assert counts.dtype == torch.int32
        along = cls.wide(inverse_std**2 * sum_dy_xmu / counts.sum()) * (x - cls.wide(mean))
        return (dy - cls.wide(sum_dy / counts.sum()) - along) * cls.wide(inverse_std * weight)


def _normalise_as_on_gpus(module, images, slope):
    names = [name for name in vars(GpuKernels) if name.startswith("batch_norm")]
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setattr(torch, name, getattr(GpuKernels, name))
        patch.setattr(distributed, "_BatchNormOnCPUs", distributed._BatchNormOnGPUs)
        return _normalise(module, images, slope)


def _normalise(module, images, slope):
    """The rank's share of outputs and gradients of BN over both ranks' images."""
    module = copy.deepcopy(module)  # the one that arrives is shared memory
    with processes_of_torchrun(CPU) as processes:
        share = images.chunk(2)[processes.rank].requires_grad_()
        with GlobalBatchNorm():
            out = module(share)
        (out * slope.chunk(2)[processes.rank]).sum().backward()
        weight_gradient = module.weight.grad.clone()
        dist.all_reduce(weight_gradient)
    tensors = (out, share.grad, weight_gradient, module.running_mean, module.running_var)
    return [tensor.detach().numpy() for tensor in tensors]


@pytest.mark.slow
@pytest.mark.parametrize("normalise", [_normalise, _normalise_as_on_gpus])
def test_batch_norm_sees_the_images_of_all_processes(together, normalise):
    torch.manual_seed(0)
    module = torch.nn.BatchNorm2d(3).double()
    torch.nn.init.normal_(module.weight)
    images, slope = torch.randn(2, 8, 3, 5, 5, dtype=torch.double)
    results = together(normalise, module, images, slope)
    first, second = ([torch.from_numpy(array) for array in result] for result in results)
    whole = images.clone().requires_grad_()
    out = module(whole)
    (out * slope).sum().backward()
    torch.testing.assert_close(torch.cat([first[0], second[0]]), out.detach())
    torch.testing.assert_close(torch.cat([first[1], second[1]]), whole.grad)
    for rank in (first, second):
        torch.testing.assert_close(rank[2], module.weight.grad)
        torch.testing.assert_close(rank[3], module.running_mean)
        torch.testing.assert_close(rank[4], module.running_var)


def test_no_block_evades_the_batch_norm_of_all_processes():
    """The fused block of the ResNeXt family computes BN itself, so it must step back."""
    images = torch.randn(64, 64, 16, 16).contiguous(memory_format=torch.channels_last)
    assert fused.pays(images, 4, training=True)
    with GlobalBatchNorm():
        assert not fused.pays(images, 4, training=True)


def test_a_number_of_processes_that_divides_no_batch_is_refused_before_they_start(
    monkeypatch, folders, root
):
    monkeypatch.setattr(launch, "run_in_processes", lambda *_: pytest.fail("they were started"))
    words = ["train", "fashion-mnist-short/is-resnext", "--processes", "3"]
    words += ["--scale", str(root / "tests/scales/short.yaml"), "--data", str(folders.data)]
    words += ["--output", str(folders.output), "--work", str(folders.work)]
    said = CliRunner().invoke(main, words)
    assert said.exit_code == 1
    assert said.output == (
        "Error: 3 processes cannot share a batch of 32 equally: choose --processes (or `gpus`) "
        "from 1, 2, 4, 8, 16, 32, or another `batch_size`\n"
    )


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    with pytest.raises(ValueError, match=r"^4 processes .* torch sees 2; lower `gpus`"):
        choose_device(gpus=4)


class Double:
    """A data set in double precision, in which rounding has no time to grow.

    In single precision one step differs by 1e-5 between one process and two, as sums are taken in
    another order, and at these learning rates every further step multiplies that.
    """

    def __init__(self, folder):
        self.dataset = open_dataset(folder)

    def __getattr__(self, name):
        return getattr(self.dataset, name)

    def train_batches(self, **arguments):
        for images, labels in self.dataset.train_batches(**arguments):
            yield Batch(images.double(), labels)

    def eval_batches(self, *arguments, **named):
        for images, labels in self.dataset.eval_batches(*arguments, **named):
            yield Batch(images.double(), labels)


def _train(run, folder, maps):
    torch.set_default_dtype(torch.double)
    try:
        with processes_of_torchrun(CPU) as processes:
            trained = train(
                run, Double(folder), 1, device=CPU, level_maps=maps, processes=processes
            )
    finally:
        torch.set_default_dtype(torch.float)
    weights = {key: tensor.numpy() for key, tensor in trained.network.state_dict().items()}
    return weights, trained.history[-1].train_losses, trained.test.errors


MSDNET = MSDNetParams(
    name="msdnet",
    K=2,
    base=1,
    step=1,
    channels=4,
    growth=2,
    growth_factors=(1, 2),
    bottleneck_factors=(1, 2),
)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["i-resnext", "hierarchical", "msdnet"])
def test_two_processes_train_as_one(short, data, together, name):
    if name == "msdnet":
        run = Run(network=MSDNET, recipe=short.recipe)
    else:
        run = short.run(f"fashion-mnist-short/{name}")
    run = replace(run, recipe=replace(run.recipe, epochs=1))
    maps = [level.labels for level in label_levels_of(run, read_manifest(data), None)]
    first, second = together(_train, run, data, maps)
    alone = _train(run, data, maps)
    for key, tensor in alone[0].items():
        assert (first[0][key] == second[0][key]).all(), key
        assert first[0][key] == pytest.approx(tensor, rel=0, abs=1e-4), key
    assert first[1] == pytest.approx(alone[1], abs=1e-4)
    assert first[2] == alone[2]


def _run_training(scale, folders, interrupts):
    try:
        run_training(scale, "fashion-mnist-short/is-resnext", 1, folders, interrupts)
    except Interrupted as stop:
        return str(stop)


@pytest.mark.slow
@pytest.mark.parametrize("world", [4])
def test_processes_stop_together_and_go_on_exactly(short, folders, outcome, together, world):
    stopped = together(_run_training, short, folders, Interrupts(budget_minutes=0), world=world)
    assert len(set(stopped)) == 1
    assert "stopped at epoch 1, step 1 " in stopped[0]
    together(_run_training, short, folders, Interrupts(), world=world)
    calm = replace(folders, output=folders.output / "calm", work=folders.work / "calm")
    together(_run_training, short, calm, Interrupts(), world=world)
    assert outcome(folders.output) == outcome(calm.output)
    assert read_json(calm.output / "metrics.json")["execution"]["processes"] == world


@pytest.mark.slow
@pytest.mark.parametrize("world", [2])
def test_killed_processes_end_with_the_bytes_of_undisturbed_ones(
    folders, outcome, changed_scale, world
):
    """KILLS=5 kills as many times, KILL_SEED=7 at other moments."""
    draw = random.Random(int(os.environ.get("KILL_SEED", "2018")) + world)
    wanted = int(os.environ.get("KILLS", "1"))
    scale = changed_scale("epochs: 3", f"epochs: {5 + 4 * wanted}")
    calm, killed = (
        replace(folders, output=folders.output / name, work=folders.work / name)
        for name in ("calm", "killed")
    )
    assert _processes(scale, calm, world).wait() == 0
    kills = 0
    while kills < wanted:
        process = _processes(scale, killed, world)
        _wait_for_checkpoint(process, killed.work)
        time.sleep(draw.uniform(0, 0.5))
        if process.poll() is not None:
            break  # it was faster
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
    print(f"{world} processes: killed {kills} times")
    assert kills
    assert _processes(scale, killed, world).wait() == 0
    assert outcome(killed.output) == outcome(calm.output)


def _processes(scale, folders, world):
    """`anyslice train` in a process group of its own."""
    train = [sys.executable, "-m", "anyslice", "train", "fashion-mnist-short/i-resnext"]
    train += ["--scale", scale, "--seed", "1", "--processes", str(world)]
    train += ["--output", folders.output, "--work", folders.work, "--data", folders.data]
    return subprocess.Popen(
        train, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def _wait_for_checkpoint(process, work):
    """Until the process has written a checkpoint that was not there before, or has ended."""
    before = set(work.rglob("epoch*.json"))
    while process.poll() is None and not set(work.rglob("epoch*.json")) - before:
        time.sleep(0.01)


@pytest.fixture
def command(train_command, changed_scale):
    """`anyslice train` in two processes, when the first of many epochs is done."""
    train = train_command(changed_scale("epochs: 3", "epochs: 200"), "--processes", "2")
    process = subprocess.Popen(train, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert any("epoch 1/" in line for line in process.stdout)
    return process


@pytest.mark.slow
def test_the_command_starts_processes_and_passes_their_exit_status_on(command):
    command.send_signal(signal.SIGTERM)
    said = command.communicate(timeout=60)[0]
    assert command.returncode == EXIT_CODE, said


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of such a death")
@pytest.mark.parametrize("seconds", [0, 3])
def test_the_processes_end_at_once_when_the_command_is_killed_as_they_start(
    train_command, changed_scale, seconds
):
    """Before they ask to be told of its death, or while they wait for each other."""
    train = train_command(changed_scale("epochs: 3", "epochs: 200"), "--processes", "2")
    leader = psutil.Popen(train, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(workers := _of_training(leader.children())) < 2:
        assert leader.poll() is None
        time.sleep(0.01)
    time.sleep(seconds)
    leader.kill()
    _, alive = psutil.wait_procs(workers, timeout=30)
    for process in alive:
        process.kill()
    assert not alive


def _of_training(processes):
    def runs(process):
        with contextlib.suppress(psutil.Error):  # it may end meanwhile
            return "anyslice" in process.cmdline()

    return [process for process in processes if runs(process)]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of such a death")
def test_the_processes_stop_in_order_when_the_command_is_killed(command):
    command.kill()
    said = command.communicate(timeout=60)[0]
    assert "got SIGTERM" in said
    assert "the same command resumes from there" in said
