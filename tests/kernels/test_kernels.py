"""The compiled passes of convolutions with BN and ReLU."""

import os
import subprocess
import sys

import pytest
import torch
from numba.core.caching import CompileResultCacheImpl
from torch.nn import functional as F

from anyslice_kernels import grouped, norm, pointwise, threads
from anyslice_kernels import residual_block as fused
from anyslice_kernels.data import Normalised, Pointwise, Upstream

SHAPES = [(8, 16, 16, 16), (3, 5, 7, 32), (1, 3, 3, 16), (20, 1, 9, 48)]
"""(N, H, W, C): as many tiles and rows as fit, and sizes with rests."""


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def normalised(C: int) -> Normalised:
    return Normalised(*normal(4, C, seed=1).unbind())


def dense(inputs: int, outputs: int) -> Pointwise:
    return fused._pointwise(fused.Conv(normal(outputs, inputs, 1, 1, seed=2)))


def all_kernels(x: torch.Tensor) -> list[torch.Tensor]:
    """What every kernel makes of x and of a gradient."""
    C, bn = x.shape[3], normalised(x.shape[3])
    g, y = normal(*x.shape, seed=3), normal(*x.shape, seed=4)
    known = Upstream(y, *normal(3, C, seed=5).unbind())
    conv1, conv3 = dense(C, C), fused._grouped(fused.Conv(normal(C, 4, 3, 3, seed=6), C // 4))
    vectors = [normal(C, seed=7), normal(C, seed=8), torch.zeros(C), torch.ones(C)]
    found = pointwise.backward(g, known, x, bn, conv1)
    return [
        *norm.normalise(x, norm.moments(x), norm.Norm(*vectors, 0.1, 1e-5)),
        *vectors,
        *found,
        *norm.upstream_of(x, found, bn)[0],
        *pointwise.forward(x, bn, conv1)[1],
        pointwise.forward_residual(x, bn, conv1, y),
        *pointwise.backward(g, None, x, bn, conv1),
        *grouped.forward(x, bn, conv3)[1],
        *grouped.backward(g, known, x, bn, conv3),
        norm.add_residual(g.clone(), known, y),
    ]


@pytest.mark.parametrize("shape", SHAPES)
def test_threads_change_no_bit(shape):
    threads_before = torch.get_num_threads()
    results = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        results.append(all_kernels(normal(*shape)))
    torch.set_num_threads(threads_before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_is_written_beside_their_tensors(shape, monkeypatch):
    run, band = threads.run, 1024

    def run_between_bands(function, numbers, tensors):
        within = {}
        for tensor in tensors.values():
            memory = torch.full((tensor.numel() + 2 * band,), 7, dtype=tensor.dtype)
            memory[band:-band] = tensor.flatten()
            within[tensor.data_ptr()] = (tensor, memory)
        views = {
            name: within[tensor.data_ptr()][1][band:-band].view(tensor.shape)
            for name, tensor in tensors.items()
        }
        run(function, numbers, views)
        for tensor, memory in within.values():
            assert (memory[:band] == 7).all()
            assert (memory[-band:] == 7).all()
            tensor.copy_(memory[band:-band].view(tensor.shape))

    expected = all_kernels(normal(*shape))
    monkeypatch.setattr(threads, "run", run_between_bands)
    found = all_kernels(normal(*shape))
    assert all(map(torch.equal, found, expected))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_convolution_is_that_of_pytorch(shape):
    x, bn = normal(*shape), normalised(shape[3])
    z = F.relu(x * bn.scale + bn.shift).permute(0, 3, 1, 2)
    weight = normal(24, shape[3], 1, 1, seed=2)
    y, _ = pointwise.forward(x, bn, fused._pointwise(fused.Conv(weight)))
    torch.testing.assert_close(y[..., :24], F.conv2d(z, weight).permute(0, 2, 3, 1))
    assert not y[..., 24:].any()
    weight = normal(shape[3], 8, 3, 3, seed=3)
    y, _ = grouped.forward(x, bn, fused._grouped(fused.Conv(weight, shape[3] // 8)))
    expected = F.conv2d(z, weight, padding=1, groups=shape[3] // 8)
    torch.testing.assert_close(y.permute(0, 3, 1, 2), expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_mean_far_from_zero_costs_the_variance_no_digits(shape):
    x = normal(*shape) + 1000
    C = shape[3]
    bn = norm.Norm(torch.ones(C), torch.zeros(C), torch.zeros(C), torch.ones(C), 1.0, 0.0)
    _, _, mean, inverse = norm.normalise(x, norm.moments(x), bn)
    exact = x.double()
    torch.testing.assert_close(mean.double(), exact.mean((0, 1, 2)), rtol=1e-6, atol=0)
    expected = exact.var((0, 1, 2), correction=0)
    torch.testing.assert_close(inverse.double() ** -2, expected, rtol=1e-3, atol=0)
    torch.testing.assert_close(bn.running_var.double(), exact.var((0, 1, 2)), rtol=1e-3, atol=0)


def test_what_a_convolution_does_not_see_is_not_read():
    """So zeros of a sparse convolution cost nothing, and no infinity gets through them."""
    K, C = 3, 48
    prefixes = fused._pointwise(fused.Conv(normal(C, C, 1, 1), prefixes=K))
    groups = fused._pointwise(fused.Conv(normal(C, C // K, 1, 1), groups=K))
    x = normal(2, 4, 4, C)
    x[..., C // K :] = torch.inf
    bn = Normalised(torch.ones(C), torch.zeros(C), torch.zeros(C), torch.ones(C))
    for conv in (prefixes, groups):
        y, _ = pointwise.forward(x, bn, conv)
        assert y[..., : C // K].isfinite().all()
        assert not y[..., C // K :].isfinite().any()


def test_what_is_not_a_number_stays_so():
    """A training that diverges must show it."""
    x = normal(2, 4, 4, 16)
    x[1, 2, 3, 3] = torch.nan
    bn = Normalised(torch.ones(16), torch.ones(16), torch.zeros(16), torch.ones(16))
    y, moments = pointwise.forward(x, bn, dense(16, 16))
    assert y[1, 2, 3].isnan().all()
    assert y.isnan().sum() == 16
    assert moments.means.isnan().any(dim=0).all()
    assert norm.moments(x).means.isnan().any(dim=0).nonzero().flatten().tolist() == [3]


def test_another_memory_layout_is_refused():
    x = normal(2, 4, 4, 16)
    with pytest.raises(ValueError, match=r"x with strides .* must be contiguous"):
        norm.moments(x.transpose(1, 2))


def test_tensors_of_two_types_are_refused():
    x = normal(2, 4, 4, 16)
    with pytest.raises(ValueError, match="tensors of different types"):
        pointwise.forward(x.double(), normalised(16), dense(16, 16))


def test_what_is_compiled_belongs_to_the_content_of_all_its_files(tmp_path):
    caller, callee = tmp_path / "caller.py", tmp_path / "callee.py"
    caller.write_text("from callee import step")
    callee.write_text("step = 1")
    before = threads.cache_folder([caller, callee], tmp_path)
    assert threads.cache_folder([callee, caller], tmp_path) == before
    callee.write_text("step = 2")
    assert threads.cache_folder([caller, callee], tmp_path) != before


def test_it_is_kept_with_the_user_where_the_package_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(threads.numba.config, "CACHE_DIR", "")
    assert threads._cache_base(tmp_path) == tmp_path / "__pycache__"
    monkeypatch.setattr(threads.os, "access", lambda *_: False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert threads._cache_base(tmp_path) == tmp_path / "cache/anyslice"


def test_functions_of_others_are_kept_elsewhere():
    norm.moments(normal(2, 4, 4, 16))
    assert str(threads._folder()) != threads.numba.config.CACHE_DIR


MEANS = """
import sys, torch
from anyslice_kernels import norm
for name in sys.argv[1:]:
    x = torch.arange(960, dtype=getattr(torch, name)).view(2, 3, 5, 32)
    assert torch.equal(norm.moments(x).means, x.mean((1, 2)))
"""


@pytest.mark.slow
def test_kernels_that_two_processes_kept_get_along_in_a_third(tmp_path):
    """One of float32, one of float64: symbols of the same name would be taken for each other."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    for names in (["float32"], ["float64"], ["float64", "float32"]):
        subprocess.run([sys.executable, "-c", MEANS, *names], env=environment, check=True)


@pytest.mark.slow
def test_where_no_folder_can_be_written_they_are_compiled_all_the_same(monkeypatch):
    x = normal(2, 4, 4, 16)
    expected = norm.moments(x)
    monkeypatch.setattr(CompileResultCacheImpl, "_locator_classes", [])
    monkeypatch.setattr(threads, "_compiled", threads._compiled.__wrapped__)
    assert all(map(torch.equal, norm.moments(x), expected))


def test_a_damaged_cache_is_removed_and_costs_one_compilation(monkeypatch, tmp_path):
    """Numba itself raises EOFError for a file that a crash or a full disk has cut."""
    monkeypatch.setattr(threads, "_folder", lambda: tmp_path / "ours")
    monkeypatch.setattr(threads, "_compiled", threads._compiled.__wrapped__)

    def nothing(task):
        pass

    def files():
        return sorted((tmp_path / "ours").rglob("*.nb?"))

    threads._compiled(nothing, torch.float32)
    assert files()
    for file in files():
        os.truncate(file, 10)
    assert threads._compiled(nothing, torch.float32).address
    assert not files()
    threads._compiled(nothing, torch.float32)
    assert files()
