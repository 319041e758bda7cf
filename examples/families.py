"""A table of network families outside the package; see "Your own network" in the README."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic.dataclasses import dataclass

from anyslice.config.checked_yaml import Positive, Problem
from anyslice.config.families import Family, NetworkParams


@dataclass(frozen=True)
class SlimmableResNetParams(NetworkParams):
    """Hyper-parameters, number of sub-networks, and the rules that a scale is checked against.

    Attributes:
        depth: number of layers with weights, 6 n + 2.
        width: channels at the first stage of the full network.
        K: number of widths.
    """

    depth: Positive
    width: Positive
    K: Positive

    @property
    def subnetworks(self) -> int:
        """One for each width."""
        return self.K

    def problems(self, image_size: int) -> Iterator[Problem]:
        """Three stages of n blocks of two layers; K equal steps from no channel to all."""
        if self.depth < 8 or self.depth % 6 != 2:
            yield "depth", f"depth={self.depth} must be 6 n + 2: 8, 14, 20, ..."
        if self.width % self.K:
            yield "width", f"width={self.width} must be a multiple of K={self.K}"


FAMILIES = {
    "slimmable-resnet": Family(
        params=SlimmableResNetParams,
        implementation="examples.slimmable:SlimmableResNet",
        label="Slimmable ResNet",
        colour="#56B4E9",
        marker="h",
    ),
}
