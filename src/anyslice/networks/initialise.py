"""Initial weights."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from anyslice.networks.base import AnytimeNetwork, require
from anyslice.networks.is_resnext import PrefixConv

Scheme = Literal["msra", "pytorch"]


def initialise(network: AnytimeNetwork, scheme: Scheme) -> None:
    """Draw a freshly built network's weights from torch's global generator.

    "msra" (He et al., 2015, equation 10; the paper's choice, Appendix A): convolutions normal with
    standard deviation sqrt(2 / fan-in) and, as in He et al., 2016, BN weights 1 and all biases 0;
    linear weights stay as PyTorch draws them. The fan-in of a grouped convolution is that of a
    group; that of IS-ResNeXt's sparse first convolution is that of each of its K dense parts.
    "pytorch": everything as PyTorch's own layers draw it, which is how `build` leaves a network.

    Args:
        network: as `build` gives it; changed in place.
        scheme: "msra" or "pytorch".

    Raises:
        ValueError: if there is no such scheme.
    """
    require(scheme in ("msra", "pytorch"), f"no initialisation {scheme!r}: choose msra or pytorch")
    if scheme == "pytorch":
        return
    for module in network.modules():
        _msra(module)


def _msra(module: nn.Module) -> None:
    match module:
        case nn.Conv2d():
            _normal(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        case PrefixConv():
            for part in module.parts:
                _normal(part)
        case nn.BatchNorm2d():
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        case nn.Linear():
            nn.init.zeros_(module.bias)


def _normal(weight: Tensor) -> None:
    """Fill (out, in / groups, h, w) with normal numbers; the fan-in is in / groups * h * w."""
    nn.init.kaiming_normal_(weight, mode="fan_in", nonlinearity="relu")
