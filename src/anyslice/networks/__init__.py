"""Every network of the paper behind one interface: `build(name, **hyperparameters)`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from anyslice.config.checked_yaml import check, raise_problems
from anyslice.config.families import FAMILIES, NetworkParams
from anyslice.errors import AnysliceError
from anyslice.networks.base import AnytimeNetwork, Logits, Task
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
    given = {"name": name} | hyperparameters
    params = check(FAMILIES[name].params, given, f"network {name}")
    labels = classes if isinstance(classes, int) else tuple(classes)
    return make(params, Task(labels, image_size, image_channels))


def make(params: NetworkParams, task: Task) -> AnytimeNetwork:
    """The network of these hyper-parameters; see `build`."""
    name, family = params.name, FAMILIES[params.name]
    raise_problems(f"network {name}", params.problems(task.image_size))
    network: AnytimeNetwork = family.load()(params, task)
    if network.K != params.subnetworks:
        raise AnysliceError(
            f"network {name!r} has {network.K} sub-networks, but its row says "
            f"{params.subnetworks}: see `subnetworks` of {family.params.__name__}"
        )
    return network


__all__ = ["AnytimeNetwork", "Logits", "Task", "build", "initialise", "make"]
