"""The compiled passes of BN and ReLU."""

import pytest
import torch
from numba.core.caching import CompileResultCacheImpl

from anyslice.networks import kernels


def channels_last(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator).to(memory_format=torch.channels_last)


def all_kernels(x: torch.Tensor) -> list[torch.Tensor]:
    """What every kernel makes of x and of a gradient."""
    C = x.shape[1]
    vectors = channels_last(5, C, 1, 1, seed=1).view(5, C).unbind()
    grad, residual = channels_last(*x.shape, seed=2), channels_last(*x.shape, seed=3)
    scale, shift, mean, slope, offset = vectors
    return [
        *kernels.statistics(x),
        kernels.scale_relu(x, scale, shift),
        *kernels.gradient_sums(grad, x, scale, shift, mean),
        kernels.input_gradient(grad, x, scale, shift, slope, offset, residual),
    ]


@pytest.mark.parametrize("shape", [(8, 4, 16, 16), (8, 12, 8, 8), (3, 65, 5, 7), (1, 1, 3, 3)])
def test_threads_change_no_bit(shape):
    threads = torch.get_num_threads()
    results = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        results.append(all_kernels(channels_last(*shape)))
    torch.set_num_threads(threads)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("shape", [(8, 4, 16, 16), (8, 12, 8, 8), (3, 65, 5, 7)])
def test_a_mean_far_from_zero_costs_the_variance_no_digits(shape):
    x = channels_last(*shape) + 1000
    means, variances = kernels.statistics(x)
    variance = variances.mean(0) + means.var(0, correction=0)
    exact = x.double()
    torch.testing.assert_close(means.mean(0).double(), exact.mean((0, 2, 3)), rtol=1e-6, atol=0)
    expected = exact.var((0, 2, 3), correction=0)
    torch.testing.assert_close(variance.double(), expected, rtol=1e-3, atol=0)


def test_what_is_not_a_number_stays_so():
    """A training that diverges must show it."""
    x = channels_last(2, 4, 4, 4)
    x[1, 2, 3, 3] = torch.nan
    one = torch.ones(4)
    assert kernels.scale_relu(x, one, one).isnan().sum() == 1
    assert kernels.statistics(x)[0].isnan().any(dim=0).tolist() == [False, False, True, False]


def test_another_memory_layout_is_refused():
    x = channels_last(2, 4, 4, 4)
    one = torch.ones(4)
    with pytest.raises(ValueError, match=r"x with strides .* must be torch.channels_last"):
        kernels.statistics(x.contiguous())
    with pytest.raises(ValueError, match="scale with strides"):
        kernels.scale_relu(x, torch.ones(8)[::2], one)


@pytest.mark.slow
def test_where_no_folder_can_be_written_they_are_compiled_all_the_same(monkeypatch):
    x = channels_last(2, 4, 4, 4)
    expected = all_kernels(x)
    monkeypatch.setattr(CompileResultCacheImpl, "_locator_classes", [])
    compiled = kernels._compiled.__wrapped__(x.dtype)
    monkeypatch.setattr(kernels, "_compiled", lambda _: compiled)
    assert all(map(torch.equal, all_kernels(x), expected))
