"""SGD with momentum, as torch.optim.SGD(fused=True) does it, to the last bit.

It is not torch's class because making one imports torch's compiler: 880 modules and seconds of
every training, however short.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class SGD:
    """A step, with gradient g: v = momentum v + g + weight_decay w, then w = w - lr v.

    Nesterov's takes g + weight_decay w + momentum v for the last v.

    Attributes:
        lr: to be set before a step.
        parameters: w, on one device.
        momenta: v, zero before the first step.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        momentum: float,
        nesterov: bool,
        weight_decay: float,
    ) -> None:
        self.lr = 0.0
        self.parameters: list[Tensor] = list(parameters)
        self.momenta = [torch.zeros_like(p, requires_grad=False) for p in self.parameters]
        self.momentum, self.nesterov, self.weight_decay = momentum, nesterov, weight_decay

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Change the parameters by their gradients."""
        gradients: list[Tensor] = []
        for parameter in self.parameters:
            assert parameter.grad is not None
            gradients.append(parameter.grad)
        torch._fused_sgd_(
            self.parameters,
            gradients,
            self.momenta if self.momentum else [],
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            lr=self.lr,
            dampening=0.0,
            nesterov=self.nesterov,
            maximize=False,
            is_first_step=False,
        )
