"""What a predictor answers."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one image.

    Attributes:
        label: the name of the most probable label.
        probability: of that label, by the network.
        right: how often such an answer was right on validation images, in 0 ... 1 and never 1.
        reached: whether that is the confidence asked for; None if none was.
        level: of the label, 1 fine ... D coarse.
        subnetwork: that gave the answer, 1 ... K.
        macs: multiply-adds really spent on this image.
        milliseconds: until the answer was there; without a deadline that of the network alone, with
            one from the call on. The same for all images of the call, but with confidence.
        late: milliseconds after the deadline; 0 if it was met or there was none.
    """

    label: str
    probability: float
    right: float
    reached: bool | None
    level: int
    subnetwork: int
    macs: int
    milliseconds: float
    late: float
    names: tuple[str, ...] = field(repr=False, compare=False)
    shares: npt.NDArray[np.float32] = field(repr=False, compare=False)

    @property
    def probabilities(self) -> dict[str, float]:
        """Of all labels of the level, the most probable first."""
        order = np.argsort(-self.shares, kind="stable")
        return {self.names[i]: float(self.shares[i]) for i in order}

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        hidden = ("names", "shares")
        shown = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in hidden}
        return shown | {"probabilities": self.probabilities}
