"""Processes that share batches, each on a GPU of its own, train as one does."""

import multiprocessing
import socket
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist
from steps import CPU, RECIPE, batch_of, network_of, relative, steps
from torch import Tensor

from anyslice.training.distributed import GlobalBatchNorm, Processes
from anyslice.training.loop import make_optimiser
from anyslice.training.options import Options, make_deterministic
from anyslice.training.step import make_step

WORLDS = [
    pytest.param(
        world,
        marks=pytest.mark.skipif(
            torch.cuda.device_count() < world, reason=f"NCCL needs {world} of this machine's GPUs"
        ),
    )
    for world in (1, 2)
]


def together(world: int, function, *arguments) -> list[list[Tensor]]:
    """What a function gives in so many processes that are joined by NCCL, by rank."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{found.getsockname()[1]}"
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(world, mp_context=context) as pool:
        ranks = [
            pool.submit(_joined, rank, world, address, function, arguments) for rank in range(world)
        ]
        return [[torch.from_numpy(array) for array in rank.result()] for rank in ranks]


def _joined(rank: int, world: int, address: str, function, arguments):
    """As arrays: a tensor would need its process to live on."""
    make_deterministic(1, Options())
    device = torch.device("cuda", rank)
    torch.cuda.set_device(device)
    dist.init_process_group(
        "nccl",
        init_method=address,
        rank=rank,
        world_size=world,
        device_id=device,
        timeout=timedelta(seconds=60),
    )
    try:
        return [tensor.numpy() for tensor in function(rank, world, device, *arguments)]
    finally:
        dist.destroy_process_group()


def _normalised(rank: int, world: int, device: torch.device) -> list[Tensor]:
    """The rank's share of BN's outputs and of its input's gradient, and its weight's gradient."""
    torch.manual_seed(0)
    module = torch.nn.BatchNorm2d(3).double().to(device)
    images, slope = torch.randn(2, 8, 3, 5, 5, dtype=torch.double).to(device)
    share = images.chunk(world)[rank].requires_grad_()
    with GlobalBatchNorm():
        out = module(share)
    (out * slope.chunk(world)[rank]).sum().backward()
    dist.all_reduce(module.weight.grad)
    tensors = (out, share.grad, module.weight.grad, module.running_mean, module.running_var)
    return [tensor.detach().cpu() for tensor in tensors]


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
def test_batch_norm_sees_the_images_of_all_processes(world):
    results = together(world, _normalised)
    torch.manual_seed(0)
    module = torch.nn.BatchNorm2d(3).double()
    images, slope = torch.randn(2, 8, 3, 5, 5, dtype=torch.double)
    whole = images.requires_grad_()
    out = module(whole)
    (out * slope).sum().backward()
    shares = [torch.cat(parts) for parts in zip(*(result[:2] for result in results), strict=True)]
    torch.testing.assert_close(shares, [out.detach(), whole.grad])
    for result in results:
        expected = [module.weight.grad, module.running_mean, module.running_var]
        torch.testing.assert_close(result[2:], expected)


def _stepped(rank: int, world: int, device: torch.device, graphs: bool) -> list[Tensor]:
    """The weights after three steps, each process with its share of the images."""
    network = network_of("is-resnext").to(device, memory_format=torch.channels_last).double()
    network.train()
    options, processes = Options(cuda_graphs=graphs), Processes(rank, world)
    step = make_step(
        network, make_optimiser(network, RECIPE, device), "sum", processes, options, device
    )
    for seed in range(3):
        images, labels = batch_of(network, seed, 16)
        share = images.double().chunk(world)[rank].to(device)
        step(
            share.contiguous(memory_format=torch.channels_last),
            labels.chunk(world, dim=1)[rank].to(device),
        )
    return [tensor.detach().cpu() for tensor in network.parameters()]


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
def test_steps_of_several_processes_are_those_of_one_and_can_be_graphs(world):
    eager, captured = (together(world, _stepped, graphs) for graphs in (False, True))
    for rank in range(world):
        for one, other in zip(eager[rank], captured[rank], strict=True):
            assert torch.equal(one, other)
    alone = steps(network_of("is-resnext"), CPU, dtype=torch.double, count=3, batch=16)
    assert relative(eager[0], alone.weights) < 1e-8
