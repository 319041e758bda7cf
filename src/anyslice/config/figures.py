"""What figures show, as a scale lists them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, field, fields
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from anyslice.config.checked_yaml import STRICT, Count, ParameterError, Positive, Problem
from anyslice.config.families import look_problems

CostColumn = Literal["macs", "all_ops", "params"]
AxisScale = Literal["linear", "log"]


def _different(seeds: tuple[int, ...]) -> tuple[int, ...]:
    for seed in seeds:
        if seeds.count(seed) > 1:
            raise ParameterError(f"seed {seed} appears {seeds.count(seed)} times")
    return seeds


Seeds = Annotated[tuple[Count, ...], AfterValidator(_different)]


@dataclass(frozen=True, config=STRICT)
class Style:
    """How one run is plotted, instead of as its family is (see `config.families`)."""

    label: str | None = None
    colour: str | None = None
    marker: str | None = None

    def problems(self) -> Iterator[Problem]:
        """What Matplotlib would refuse."""
        for key, problem in look_problems(self.colour, self.marker):
            if getattr(self, key) is not None:
                yield key, problem


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Look:
    """What every figure may say of its look.

    Attributes:
        title: above the figure, instead of its number and the data set.
        seeds: those shown, of the scale's; all by default.
        styles: for runs that the figure shows, by name.
    """

    title: str | None = None
    seeds: Seeds | None = None
    styles: dict[str, Style] = field(default_factory=dict)


@dataclass(frozen=True, config=STRICT, kw_only=True)
class CostLook(Look):
    """That of a figure of error against cost.

    Attributes:
        x: the cost: "macs", "all_ops" (as the authors count operations) or "params".
        y_scale: of the error.
    """

    x: CostColumn = "macs"
    y_scale: AxisScale = "linear"


@dataclass(frozen=True, config=STRICT, kw_only=True)
class FixedLook(CostLook):
    """That of a figure whose runs have styles of its own."""

    styles: dict[str, Style] = field(default_factory=dict, init=False)


NO_RUNS = ("kind", "dataset", "block", "target_error", *(f.name for f in fields(CostLook)))
"""Keys of figures that name no run."""


@dataclass(frozen=True, config=STRICT)
class ShowsRuns:
    """A figure: all its keys but NO_RUNS name runs that it shows.

    Attributes:
        kind: tells the figures apart.
        dataset: key in `datasets`.
    """

    kind: str
    dataset: str

    @property
    def roles(self) -> dict[str, str]:
        """The runs by the keys that lead to them in the figure's part: "joint", "thin.alone.0"."""

        def leaves(at: str, value: Any) -> Iterator[tuple[str, str]]:
            if isinstance(value, str):
                yield at, value
                return
            children = value if isinstance(value, dict) else dict(enumerate(value))
            for key, child in children.items():
                yield from leaves(f"{at}.{key}".removeprefix("."), child)

        keys = asdict(self).items()
        return dict(leaves("", {key: value for key, value in keys if key not in NO_RUNS}))

    @property
    def runs(self) -> tuple[str, ...]:
        """All runs that the figure shows, each once."""
        return tuple(dict.fromkeys(self.roles.values()))

    @property
    def full_names(self) -> tuple[str, ...]:
        """The same runs as "<dataset>/<run>"."""
        return tuple(f"{self.dataset}/{run}" for run in self.runs)


@dataclass(frozen=True, config=STRICT)
class BudgetFigure(ShowsRuns, CostLook):
    """Error against MACs (Figure 4): anytime networks as lines, fixed-budget ones as points.

    Attributes:
        lines: runs with K > 1, in the order of the legend.
        points: runs with K = 1; those of one network family share a colour.
    """

    kind: Literal["budget"]
    lines: tuple[str, ...]
    points: tuple[str, ...] = ()


@dataclass(frozen=True, config=STRICT)
class BatchNormFigure(ShowsRuns, CostLook):
    """Error of the thin sub-networks with independent and with shared BN (Figure 3a)."""

    kind: Literal["batch-norm"]
    independent: str
    shared: str


@dataclass(frozen=True, config=STRICT)
class BranchesFigure(ShowsRuns, Look):
    """l1-norm of the third convolution's weights by branch (Figure 3b).

    Attributes:
        joint: an I-ResNeXt.
        alone: the ResNeXt of the same size.
        block: whose convolution, counted from 1.
    """

    kind: Literal["branches"]
    joint: str
    alone: str
    block: Positive


@dataclass(frozen=True, config=STRICT)
class JointAndAlone:
    """An anytime network, and each of its sub-networks trained by itself.

    Attributes:
        joint: a run with K > 1.
        alone: K runs with K = 1, of sub-network 1 ... K.
    """

    joint: str
    alone: tuple[str, ...]


@dataclass(frozen=True, config=STRICT)
class JointAloneFigure(ShowsRuns, FixedLook):
    """Shallow against thin sub-networks, trained jointly and alone (Figure 3c)."""

    kind: Literal["joint-alone"]
    thin: JointAndAlone
    shallow: JointAndAlone


@dataclass(frozen=True, config=STRICT)
class LevelsFigure(ShowsRuns, FixedLook):
    """Error of each sub-network at each label level (Figure 5).

    Attributes:
        run: a run with a hierarchy.
        target_error: each sub-network takes the finest level whose validation error is at most
            this: "full-network", the full network's on fine labels, so that all keep "the original
            accuracy level" (Sections 1 and 3.3); "all-can-hold", the lowest that each of them has
            at some level; or a number, in percent.
    """

    kind: Literal["levels"]
    run: str
    target_error: (
        Literal["full-network", "all-can-hold"] | Annotated[float, Field(gt=0, lt=100)]
    ) = "full-network"


@dataclass(frozen=True, config=STRICT)
class PropertiesFigure(ShowsRuns, Look):
    """Monotonicity, optimality and interruptibility (Section 2.1), measured.

    Attributes:
        lines: runs with K > 1: how often a larger k loses what a smaller one had right, and what
            it costs to stop after k.
        thin, shallow: joint against alone at each budget.
    """

    kind: Literal["properties"]
    lines: tuple[str, ...]
    thin: JointAndAlone
    shallow: JointAndAlone


Networks = Annotated[tuple[str, ...], Field(min_length=2)]


@dataclass(frozen=True, config=STRICT)
class GapsFigure(ShowsRuns, FixedLook):
    """The mean error gap of each two anytime networks at equal cost, against the epochs trained.

    Attributes:
        trainings: for each number of epochs the runs of the same networks, in the same order; a
            gap is the error of a later one less that of an earlier one.
        x: the cost at which errors are compared; as in claims, the authors' by default.
    """

    kind: Literal["gaps"]
    trainings: tuple[Networks, ...]
    x: CostColumn = field(default="all_ops", kw_only=True)
    y_scale: Literal["linear"] = field(default="linear", kw_only=True)  # a gap can be below 0


Figure = Annotated[
    BudgetFigure
    | BatchNormFigure
    | BranchesFigure
    | JointAloneFigure
    | LevelsFigure
    | PropertiesFigure
    | GapsFigure,
    Field(discriminator="kind"),
]
