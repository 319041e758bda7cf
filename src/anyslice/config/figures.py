"""What figures show, as a scale lists them, and which runs can play their parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, field, fields, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from anyslice.config.checked_yaml import STRICT, Positive
from anyslice.config.families import IResNeXtParams, NetworkParams, Problem, SideBySide
from anyslice.config.look import CostColumn, CostLook, Look

if TYPE_CHECKING:
    from anyslice.config.scale import Run

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

        said = asdict(self).items()
        return dict(leaves("", {key: value for key, value in said if key not in NO_RUNS}))

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
class JointAloneFigure(ShowsRuns, CostLook):
    """Shallow against thin sub-networks, trained jointly and alone (Figure 3c)."""

    kind: Literal["joint-alone"]
    thin: JointAndAlone
    shallow: JointAndAlone


@dataclass(frozen=True, config=STRICT)
class LevelsFigure(ShowsRuns, CostLook):
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


@dataclass(frozen=True, config=STRICT)
class GapsFigure(ShowsRuns, CostLook):
    """The mean error gap of each two anytime networks at equal cost, against the epochs trained.

    Attributes:
        trainings: for each number of epochs the runs of the same networks, in the same order; a
            gap is the error of a later one less that of an earlier one.
        x: the cost at which errors are compared; as in claims, the authors' by default.
    """

    kind: Literal["gaps"]
    trainings: tuple[tuple[str, ...], ...]
    x: CostColumn = field(default="all_ops", kw_only=True)


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


def figure_problems(
    figure: Figure, runs: Mapping[str, Run], seeds: Sequence[int]
) -> Iterator[Problem]:
    """What a figure says and cannot be, given the runs of its data set and the scale's seeds."""
    unknown = {key: run for key, run in figure.roles.items() if run not in runs}
    for key, run in unknown.items():
        yield key, f"{run!r} is not a run of {figure.dataset}; choose from {', '.join(runs)}"
    if not unknown:
        yield from _contradictions(figure, runs)
        yield from _of_look(figure, seeds)


def _of_look(figure: Figure, all_seeds: Sequence[int]) -> Iterator[Problem]:
    """What a figure says of its look and cannot be."""
    for number, seed in enumerate(figure.seeds or ()):
        if seed not in all_seeds or seed in (figure.seeds or ())[:number]:
            yield f"seeds.{number}", f"{seed} is given twice or is none of {list(all_seeds)}"
    match figure:
        case JointAloneFigure() | LevelsFigure() | GapsFigure():
            can_be_styled: tuple[str, ...] = ()
        case PropertiesFigure():
            can_be_styled = figure.lines
        case _:
            can_be_styled = figure.runs
    for run, style in figure.styles.items():
        if run not in can_be_styled:
            choices = ", ".join(can_be_styled) or f"none: those of {figure.kind} are fixed"
            yield (
                f"styles.{run}",
                f"not a run whose style can be chosen here; choose from {choices}",
            )
        for key, problem in style.problems():
            yield f"styles.{run}.{key}", problem


def _contradictions(figure: Figure, runs: Mapping[str, Run]) -> Iterator[Problem]:
    """Roles of a figure that are given to runs which cannot play them."""
    networks = {key: runs[run].network for key, run in figure.roles.items()}
    match figure:
        case LevelsFigure() if not runs[figure.run].hierarchy:
            yield "run", f"{figure.run!r} has one label level; give the run `hierarchy: true`"
        case BudgetFigure() | PropertiesFigure():
            seen: set[str] = set()
            for key, run in figure.roles.items():
                if run in seen and key.startswith(("lines.", "points.")):
                    yield key, f"{run!r} is shown already"
                seen.add(run)
            for key, network in networks.items():
                K = network.subnetworks
                if key.startswith("lines.") and K == 1:
                    yield key, "a line needs a network of several sub-networks; this one has 1"
                if key.startswith("points.") and K > 1:
                    yield key, f"a point needs a network of 1 sub-network; this one has {K}"
        case BatchNormFigure():
            yield from _of_batch_norm(networks)
        case BranchesFigure():
            yield from _of_branches(networks, figure.block)
        case GapsFigure():
            yield from _of_gaps(figure, runs)
    if isinstance(figure, JointAloneFigure | PropertiesFigure):
        for kind, family in (("thin", "i-resnext"), ("shallow", "shallow-resnext")):
            yield from _of_joint_and_alone(networks, kind, family)


def _of_gaps(figure: GapsFigure, runs: Mapping[str, Run]) -> Iterator[Problem]:
    if figure.y_scale == "log":
        yield "y_scale", "must be linear: a gap can be below 0"
    first = [runs[run].network for run in figure.trainings[0]] if figure.trainings else []
    if len(first) < 2 or any(network.subnetworks == 1 for network in first):
        yield "trainings", "a gap needs two or more networks of several sub-networks"
    seen: set[int] = set()
    for number, names in enumerate(figure.trainings):
        at = f"trainings.{number}"
        if [runs[run].network for run in names] != first:
            yield at, f"must have the networks of {', '.join(figure.trainings[0])}, in that order"
        epochs = {runs[run].recipe.epochs for run in names}
        if len(epochs) > 1 or epochs & seen:
            yield at, f"needs one number of epochs, not that of another ({sorted(epochs)})"
        seen |= epochs


def _of_batch_norm(networks: Mapping[str, NetworkParams]) -> Iterator[Problem]:
    for role, network in networks.items():
        if not isinstance(network, IResNeXtParams) or network.batch_norm != role:
            yield role, f"must be an i-resnext with `batch_norm: {role}`, not {_said(network)}"
    independent, shared = networks["independent"], networks["shared"]
    same = isinstance(shared, IResNeXtParams) and independent == replace(
        shared, batch_norm="independent"
    )
    if not same and independent.name == shared.name == "i-resnext":
        yield "shared", f"must equal {_said(independent)} but for batch_norm"


def _of_branches(networks: Mapping[str, NetworkParams], block: int) -> Iterator[Problem]:
    joint, alone = networks["joint"], networks["alone"]
    for role, network in networks.items():
        if not isinstance(network, SideBySide) or block > network.L:
            yield "block", f"{role!r} has no block {block} of branches ({_said(network)})"
    if joint.name != "i-resnext":
        yield "joint", f"must be an i-resnext, not {_said(joint)}"
    elif alone not in joint.alone(joint.subnetworks):
        yield "alone", f"must be {_choices(joint, joint.subnetworks)}, not {_said(alone)}"


def _of_joint_and_alone(
    networks: Mapping[str, NetworkParams], kind: str, family: str
) -> Iterator[Problem]:
    joint = networks[f"{kind}.joint"]
    alone = [network for key, network in networks.items() if key.startswith(f"{kind}.alone.")]
    K = joint.subnetworks
    if joint.name != family or K == 1:
        yield f"{kind}.joint", f"must have several sub-networks and be of the family {family}"
        return
    if len(alone) != K:
        yield f"{kind}.alone", f"the joint network has {K} sub-networks, but here are {len(alone)}"
        return
    for k, network in enumerate(alone, start=1):
        if network not in joint.alone(k):
            yield (
                f"{kind}.alone.{k - 1}",
                f"sub-network {k} alone is {_choices(joint, k)}, not {_said(network)}",
            )


def _choices(joint: NetworkParams, k: int) -> str:
    return " or ".join(_said(network) for network in joint.alone(k))


def _said(network: NetworkParams) -> str:
    """A network as a scale's file would say it, without what is null."""
    items = (f"{key}: {value}" for key, value in asdict(network).items() if value is not None)
    return f"{{{', '.join(items)}}}"
