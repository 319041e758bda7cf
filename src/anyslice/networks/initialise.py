"""Initial weights."""

from __future__ import annotations

from math import sqrt
from typing import Literal, get_args

from torch import Tensor, nn

from anyslice.networks.base import AnytimeNetwork, require

Scheme = Literal["msra-fan-in", "msra-fan-out", "pytorch"]


def initialise(network: AnytimeNetwork, scheme: Scheme) -> None:
    """Draw a freshly built network's weights from torch's global generator.

    The two "msra" schemes (He et al., 2015; the paper's choice, Appendix A) draw convolutions from
    a normal distribution of standard deviation `sqrt(2 / n)` and, as in He et al., 2016, set BN
    weights to 1 and all biases to 0; linear weights stay as PyTorch draws them.

    "msra-fan-in": n is the number of inputs of an output, equation 10: those of one group in a
    grouped convolution, those of the part in IS-ResNeXt's sparse first convolution.
    "msra-fan-out": `n = kernel^2 * outputs`, of all groups together, as the authors' code and those
    it descends from have it. It differs most in the stem (0.059 instead of 0.272 for 64 channels)
    and in grouped convolutions. For the sparse convolution, of which there is no code, we assume
    the outputs of all its parts.
    "pytorch": everything as PyTorch's own layers draw it, which is how `build` leaves a network.

    Args:
        network: as `build` gives it; changed in place.
        scheme: see above.

    Raises:
        AnysliceError: if there is no such scheme.
    """
    choices = get_args(Scheme)
    require(scheme in choices, f"no initialisation {scheme!r}: choose from {', '.join(choices)}")
    if scheme == "pytorch":
        return
    for module in network.modules():
        _msra(module, by_outputs=scheme == "msra-fan-out")


def _msra(module: nn.Module, *, by_outputs: bool) -> None:
    match module:
        case nn.Conv2d():
            _normal([module.weight], by_outputs=by_outputs)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        case nn.ParameterList():  # the parts of a convolution
            _normal(list(module), by_outputs=by_outputs)
        case nn.BatchNorm2d():
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        case nn.Linear():
            nn.init.zeros_(module.bias)


def _normal(parts: list[Tensor], *, by_outputs: bool) -> None:
    """Fill the weights of one convolution, each (outputs, inputs of an output, h, w)."""
    outputs = sum(part.shape[0] for part in parts)
    for part in parts:
        fan = outputs if by_outputs else part.shape[1]
        nn.init.normal_(part, std=sqrt(2 / (fan * part.shape[2] * part.shape[3])))
