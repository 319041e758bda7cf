"""Every network of the paper behind one interface: `build(name, **hyperparameters)`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from anyslice.config.checked_yaml import check
from anyslice.config.families import FAMILIES
from anyslice.errors import AnysliceError
from anyslice.networks.base import AnytimeNetwork, Logits
from anyslice.networks.initialise import initialise


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
        name: key in FAMILIES, or "<module>:<family>" of one outside the package.
        classes: labels, or the labels of each level, fine to coarse.
        image_size: side of the square images in pixels.
        image_channels: 3 or 1.
        hyperparameters: the network's own, in the paper's letters (L, W, B, C, K).

    Raises:
        AnysliceError: if the name is unknown, a hyper-parameter cannot work, or the number of
            sub-networks is not what the family's row says.
    """
    family = FAMILIES[name]
    try:
        network: AnytimeNetwork = family.load()(
            classes=classes,
            image_size=image_size,
            image_channels=image_channels,
            **hyperparameters,
        )
    except TypeError as error:
        raise AnysliceError(f"network {name!r}: {error}") from error
    promised = check(family.params, {"name": name} | hyperparameters, name).subnetworks
    if network.K != promised:
        raise AnysliceError(
            f"network {name!r} has {network.K} sub-networks, but its row says {promised}: see "
            f"`subnetworks` of {family.params.__name__}"
        )
    return network


__all__ = ["AnytimeNetwork", "Logits", "build", "initialise"]
