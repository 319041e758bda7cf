"""Every network of the paper behind one interface: `build(name, **hyperparameters)`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from anyslice.networks.base import AnytimeNetwork, Logits
from anyslice.networks.densenet import DenseNetBC
from anyslice.networks.initialise import initialise
from anyslice.networks.is_resnext import ISResNeXt
from anyslice.networks.msdnet import MSDNet
from anyslice.networks.resnet import ResNet
from anyslice.networks.resnext import IResNeXt
from anyslice.networks.shallow import ShallowResNeXt


def _resnext(**hyperparameters: Any) -> AnytimeNetwork:
    return IResNeXt(K=1, **hyperparameters)


def _torchvision(**hyperparameters: Any) -> AnytimeNetwork:
    from anyslice.networks.reference import TorchvisionNetwork  # torchvision is slow to import

    return TorchvisionNetwork(**hyperparameters)


NETWORKS: dict[str, Callable[..., AnytimeNetwork]] = {
    "resnext": _resnext,
    "i-resnext": IResNeXt,
    "is-resnext": ISResNeXt,
    "shallow-resnext": ShallowResNeXt,
    "msdnet": MSDNet,
    "resnet": ResNet,
    "densenet-bc": DenseNetBC,
    "torchvision": _torchvision,
}


def build(
    name: str,
    *,
    classes: int | Sequence[int],
    image_size: int,
    image_channels: int = 3,
    **hyperparameters: Any,
) -> AnytimeNetwork:
    """The named network, freshly initialised.

    Args:
        name: one of NETWORKS.
        classes: labels, or the labels of each level, fine to coarse.
        image_size: side of the square images in pixels.
        image_channels: 3 or 1.
        hyperparameters: the network's own, in the paper's letters (L, W, B, C, K).

    Raises:
        ValueError: if the name is unknown or a hyper-parameter cannot work.
    """
    if name not in NETWORKS:
        raise ValueError(f"no network is called {name!r}: choose from {', '.join(NETWORKS)}")
    try:
        return NETWORKS[name](
            classes=classes,
            image_size=image_size,
            image_channels=image_channels,
            **hyperparameters,
        )
    except TypeError as error:
        raise ValueError(f"network {name!r}: {error}") from error


__all__ = ["NETWORKS", "AnytimeNetwork", "Logits", "build", "initialise"]
