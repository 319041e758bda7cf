"""What a predictor answers."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Prediction:
    """The answer for one image.

    Attributes:
        label: the name of the most probable label.
        probability: of that label, by the network.
        probabilities: of all labels of the level, most probable first.
        level: of the label, 1 fine ... D coarse.
        subnetwork: that gave the answer, 1 ... K.
        macs: multiply-adds really spent on this image.
        milliseconds: until the answer was there; without a deadline that of the network alone, with
            one from the call on. The same for all images of the call, but with confidence.
        late: milliseconds after the deadline; 0 if it was met or there was none.
    """

    label: str
    probability: float
    probabilities: dict[str, float] = field(repr=False)
    level: int
    subnetwork: int
    macs: int
    milliseconds: float
    late: float = 0.0

    @classmethod
    def of(
        cls,
        probabilities: dict[str, float],
        level: int,
        k: int,
        macs: int,
        milliseconds: float,
        late: float = 0.0,
    ) -> Prediction:
        """The answer that these probabilities of all labels make, the most probable first."""
        label, probability = next(iter(probabilities.items()))
        return cls(label, probability, probabilities, level, k, macs, milliseconds, late)
