"""The parameters of a scale: a YAML file, checked, as frozen dataclasses.

A *scale* is one setting of the whole study (quick, paper). It lists data sets, for each the *runs*
(a network with its hyper-parameters and a recipe), the seeds, and the figures. A *training* is a
run with a seed. A recipe is given once for the scale; a data set and a run may override keys of it,
and the number of GPUs likewise.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from anyslice.schema import ParameterError, check, read_mapping

_STRICT = ConfigDict(extra="forbid")
Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(gt=0, lt=1)]


@dataclass(frozen=True, config=_STRICT)
class ResNeXt:
    """Pre-activation ResNeXt: L blocks, width W, C branches of bottleneck B."""

    name: Literal["resnext"]
    L: Positive
    W: Positive
    B: Positive
    C: Positive


@dataclass(frozen=True, config=_STRICT)
class IResNeXt:
    """I-ResNeXt (Section 3.1): ResNeXt with K thin sub-networks."""

    name: Literal["i-resnext"]
    L: Positive
    W: Positive
    B: Positive
    C: Positive
    K: Positive
    batch_norm: Literal["independent", "shared"] = "independent"


@dataclass(frozen=True, config=_STRICT)
class ISResNeXt:
    """IS-ResNeXt (Section 3.2): K thin sub-networks from one pass."""

    name: Literal["is-resnext"]
    L: Positive
    W: Positive
    B: Positive
    C: Positive
    K: Positive


@dataclass(frozen=True, config=_STRICT)
class ShallowResNeXt:
    """ResNeXt with a classifier after every block but the first (Section 4.1).

    Attributes:
        only: k for the k-th shallow sub-network trained alone, None for all of them jointly.
    """

    name: Literal["shallow-resnext"]
    L: Positive
    W: Positive
    B: Positive
    C: Positive
    only: Positive | None = None


@dataclass(frozen=True, config=_STRICT)
class MSDNet:
    """MSDNet (Huang et al., 2018); the hyper-parameters are explained at `networks.msdnet`."""

    name: Literal["msdnet"]
    K: Positive
    base: Positive
    step: Positive
    channels: Positive
    growth: Positive
    growth_factors: tuple[Positive, ...]
    bottleneck_factors: tuple[Positive, ...]
    step_mode: Literal["even", "growing"] = "even"
    prune: Literal["max", "min"] = "max"
    reduction: Annotated[float, Field(ge=0, lt=1)] = 0.5
    head: Literal["one-layer", "original"] = "one-layer"
    lazy: bool = False


@dataclass(frozen=True, config=_STRICT)
class ResNet:
    """ResNet for small images (He et al., 2016): 6n + 2 layers."""

    name: Literal["resnet"]
    depth: Positive
    width: Positive = 16


@dataclass(frozen=True, config=_STRICT)
class DenseNetBC:
    """DenseNet-BC for small images (Huang et al., 2017): 6n + 4 layers."""

    name: Literal["densenet-bc"]
    depth: Positive
    growth: Positive
    compression: Annotated[float, Field(gt=0, le=1)] = 0.5


@dataclass(frozen=True, config=_STRICT)
class Torchvision:
    """A network of torchvision for large images, with released weights or fresh ones."""

    name: Literal["torchvision"]
    arch: str
    weights: str | None = None


Network = Annotated[
    ResNeXt | IResNeXt | ISResNeXt | ShallowResNeXt | MSDNet | ResNet | DenseNetBC | Torchvision,
    Field(discriminator="name"),
]


@dataclass(frozen=True, config=_STRICT)
class Recipe:
    """How a run is trained (Appendix A).

    Where the paper and its authors' code differ, the paper's text is what the scales use.

    Attributes:
        epochs: passes over the training images; 0 evaluates a network with released weights.
        batch_size: images per step.
        learning_rate: at the start.
        lr_drops: fractions of the epochs after which the learning rate is multiplied by lr_factor.
        lr_factor: see lr_drops.
        momentum: of SGD, without dampening.
        nesterov: Nesterov's momentum (the authors' code: off).
        weight_decay: L2 penalty on all parameters.
        initialisation: "msra" [14], or "pytorch" (the authors' code).
        padding: of the random crop, "black" before normalisation or "mean" after it.
        loss: over the sub-networks, "sum" (equation 1) or "mean".
        selection: which epoch's weights are kept: the one of lowest validation error of the full
            network ("best-full", the authors' code), or the "last".
    """

    epochs: Count
    batch_size: Positive
    learning_rate: Annotated[float, Field(gt=0)]
    lr_drops: tuple[Fraction, ...]
    lr_factor: Fraction
    momentum: Annotated[float, Field(ge=0, lt=1)]
    nesterov: bool
    weight_decay: Annotated[float, Field(ge=0)]
    initialisation: Literal["msra", "pytorch"]
    padding: Literal["black", "mean"]
    loss: Literal["sum", "mean"]
    selection: Literal["best-full", "last"]


@dataclass(frozen=True, config=_STRICT)
class Run:
    """A network and how it is trained; its key in the file is its name.

    Attributes:
        network: see its class.
        recipe: see Recipe.
        hierarchy: train on all label levels of the data set (equation 2), not on the classes only.
    """

    network: Network
    recipe: Recipe
    hierarchy: bool = False


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class ListedRun(Run):
    """A run as a scale lists it: with how it is executed, which is no part of what it is.

    Attributes:
        gpus: GPUs of one training, on one machine; 0 trains on the CPU.
    """

    gpus: Count

    @property
    def run(self) -> Run:
        """What it is: what decides when it must be trained again."""
        return Run(network=self.network, recipe=self.recipe, hierarchy=self.hierarchy)


@dataclass(frozen=True, config=_STRICT)
class DatasetRuns:
    """The runs on one data set, and the data set of the paper whose role it plays."""

    role: str
    recipe: Recipe
    gpus: Count
    runs: dict[str, ListedRun]


@dataclass(frozen=True, config=_STRICT)
class BudgetFigure:
    """Error against MACs (Figure 4): anytime networks as lines, fixed-budget ones as points.

    Attributes:
        reads: the files of a training that the figure is made from, here and below.
        kind: tells the figures apart, here and below.
        dataset: key in `datasets`, here and below.
        lines: runs with K > 1, in the order of the legend.
        points: runs with K = 1; those of one network family share a colour.
    """

    reads: ClassVar[tuple[str, ...]] = ("metrics.json",)

    kind: Literal["budget"]
    dataset: str
    lines: tuple[str, ...]
    points: tuple[str, ...]

    @property
    def runs(self) -> tuple[str, ...]:
        """All runs that the figure shows."""
        return self.lines + self.points


@dataclass(frozen=True, config=_STRICT)
class BatchNormFigure:
    """Error of the thin sub-networks with independent and with shared BN (Figure 3a)."""

    reads: ClassVar[tuple[str, ...]] = ("metrics.json",)

    kind: Literal["batch-norm"]
    dataset: str
    independent: str
    shared: str

    @property
    def runs(self) -> tuple[str, ...]:
        """All runs that the figure shows."""
        return (self.independent, self.shared)


@dataclass(frozen=True, config=_STRICT)
class BranchesFigure:
    """l1-norm of the third convolution's weights by branch (Figure 3b).

    Attributes:
        joint: an I-ResNeXt.
        alone: the ResNeXt of the same size.
        block: whose convolution, counted from 1.
    """

    reads: ClassVar[tuple[str, ...]] = ("model.safetensors",)

    kind: Literal["branches"]
    dataset: str
    joint: str
    alone: str
    block: Positive

    @property
    def runs(self) -> tuple[str, ...]:
        """All runs that the figure shows."""
        return (self.joint, self.alone)


@dataclass(frozen=True, config=_STRICT)
class JointAndAlone:
    """An anytime network, and each of its sub-networks trained by itself.

    Attributes:
        joint: a run with K > 1.
        alone: K runs with K = 1, of sub-network 1 ... K.
    """

    joint: str
    alone: tuple[str, ...]

    @property
    def runs(self) -> tuple[str, ...]:
        """All its runs."""
        return (self.joint, *self.alone)


@dataclass(frozen=True, config=_STRICT)
class JointAloneFigure:
    """Shallow against thin sub-networks, trained jointly and alone (Figure 3c)."""

    reads: ClassVar[tuple[str, ...]] = ("metrics.json",)

    kind: Literal["joint-alone"]
    dataset: str
    thin: JointAndAlone
    shallow: JointAndAlone

    @property
    def runs(self) -> tuple[str, ...]:
        """All runs that the figure shows, each once."""
        return tuple(dict.fromkeys(self.thin.runs + self.shallow.runs))


@dataclass(frozen=True, config=_STRICT)
class LevelsFigure:
    """Error of each sub-network at each label level (Figure 5).

    Attributes:
        run: a run with a hierarchy.
        target_error: in percent; each sub-network takes the finest level that holds it. Without
            one: the lowest error that every sub-network can hold.
    """

    reads: ClassVar[tuple[str, ...]] = ("metrics.json", "predictions.safetensors")

    kind: Literal["levels"]
    dataset: str
    run: str
    target_error: Annotated[float, Field(gt=0, lt=100)] | None = None

    @property
    def runs(self) -> tuple[str, ...]:
        """All runs that the figure shows."""
        return (self.run,)


@dataclass(frozen=True, config=_STRICT)
class PropertiesFigure:
    """Monotonicity, optimality and interruptibility (Section 2.1), measured.

    Attributes:
        lines: runs with K > 1: how often a larger k loses what a smaller one had right, and what
            it costs to stop after k.
        thin, shallow: joint against alone at each budget.
    """

    reads: ClassVar[tuple[str, ...]] = ("metrics.json", "predictions.safetensors")

    kind: Literal["properties"]
    dataset: str
    lines: tuple[str, ...]
    thin: JointAndAlone
    shallow: JointAndAlone

    @property
    def runs(self) -> tuple[str, ...]:
        """All runs that the figure shows, each once."""
        return tuple(dict.fromkeys(self.lines + self.thin.runs + self.shallow.runs))


Figure = Annotated[
    BudgetFigure
    | BatchNormFigure
    | BranchesFigure
    | JointAloneFigure
    | LevelsFigure
    | PropertiesFigure,
    Field(discriminator="kind"),
]


@dataclass(frozen=True, config=_STRICT)
class Scale:
    """One setting of the whole study.

    Attributes:
        description: one line, printed on every figure.
        seeds: every run is trained once with each.
        threads: CPU threads of one training; on a GPU all but one decode images, where those are
            files.
        gpus: GPUs of one training unless its data set or run says otherwise; 0 trains on the CPU.
        trainings_per_gpu: trainings that share a GPU, as processes, where one does not fill it.
        checkpoint_minutes: at most this much work is lost when a training is killed.
        recipe: what every run uses unless its data set or itself overrides it.
        datasets: the runs of each data set.
        figures: what each figure shows.
        name: the file's name without its ending.
        path: the file it was read from.
    """

    description: str
    seeds: tuple[Count, ...]
    threads: Positive
    gpus: Count
    recipe: Recipe
    datasets: dict[str, DatasetRuns]
    figures: dict[str, Figure]
    name: str
    path: str
    trainings_per_gpu: Positive = 1
    checkpoint_minutes: Annotated[float, Field(gt=0)] = 5.0

    def run(self, name: str) -> Run:
        """The run called "<dataset>/<run>".

        Raises:
            ParameterError: if the scale has no such run; the message lists those it has.
        """
        return self._listed(name).run

    def gpus_of(self, name: str) -> int:
        """The GPUs of one training of the run called "<dataset>/<run>"; raises as `run`."""
        return self._listed(name).gpus

    def _listed(self, name: str) -> ListedRun:
        dataset, _, run = name.partition("/")
        if dataset not in self.datasets or run not in self.datasets[dataset].runs:
            choices = [f"{d}/{r}" for d, runs in self.datasets.items() for r in runs.runs]
            raise ParameterError(
                f"{self.path}: there is no run {name!r}; choose from {', '.join(choices)}"
            )
        return self.datasets[dataset].runs[run]

    @property
    def shown(self) -> tuple[str, ...]:
        """The runs that a figure shows, as "<dataset>/<run>", each once."""
        return tuple(
            dict.fromkeys(f"{f.dataset}/{run}" for f in self.figures.values() for run in f.runs)
        )

    def figure(self, name: str) -> Figure:
        """The figure of that name.

        Raises:
            ParameterError: if the scale has no such figure; the message lists those it has.
        """
        if name not in self.figures:
            raise ParameterError(
                f"{self.path}: there is no figure {name!r}; choose from {', '.join(self.figures)}"
            )
        return self.figures[name]


def hyperparameters(network: Any) -> dict[str, Any]:
    """The keyword arguments of `networks.build` besides the name."""
    return {key: value for key, value in asdict(network).items() if key != "name"}


def canonical(value: Any) -> str:
    """A dataclass as one line of JSON: equal exactly when the parameters are."""
    return json.dumps(asdict(value), sort_keys=True)


def load_scale(scale: str, folder: Path = Path("params")) -> Scale:
    """Read and check a scale.

    Args:
        scale: a name in `folder`, or the path of a YAML file.
        folder: where the scales are.

    Raises:
        ParameterError: if the file is missing or says something that cannot be.
    """
    path = Path(scale) if scale.endswith(".yaml") else folder / f"{scale}.yaml"
    raw = _read(path, folder) | {"name": path.stem, "path": str(path)}
    check(Recipe, raw.get("recipe"), path, ("recipe",))
    check(Count, raw.get("gpus"), path, ("gpus",))
    for key, dataset in _mappings(raw, "datasets"):
        at = ("datasets", key)
        _inherit(raw, dataset, path, at)
        for name, run in _mappings(dataset, "runs"):
            _inherit(dataset, run, path, (*at, "runs", name))
    checked = check(Scale, raw, path)
    _check_shares(checked)
    _check_figures(checked)
    return checked


def _inherit(
    parent: dict[str, Any], child: dict[str, Any], path: Path, at: tuple[str, ...]
) -> None:
    """Fill in what a data set or run takes from above: keys of the recipe, the number of GPUs."""
    keys = child.get("recipe", {})
    child["recipe"] = parent["recipe"] | keys if isinstance(keys, dict) else keys
    child.setdefault("gpus", parent["gpus"])
    check(Recipe, child["recipe"], path, (*at, "recipe"))
    check(Count, child["gpus"], path, (*at, "gpus"))


def _read(path: Path, folder: Path) -> dict[str, Any]:
    try:
        return read_mapping(path)
    except FileNotFoundError:
        names = ", ".join(sorted(p.stem for p in folder.glob("*.yaml") if p.stem != "claims"))
        raise ParameterError(
            f"there is no scale {path.stem!r} (no file {path}); choose from {names}"
        ) from None


def _mappings(parent: Mapping[str, Any], key: str) -> list[tuple[str, dict[str, Any]]]:
    children = parent.get(key)
    if not isinstance(children, dict):
        return []
    return [(name, child) for name, child in children.items() if isinstance(child, dict)]


def _check_shares(scale: Scale) -> None:
    """Every GPU must get an equal share of a batch."""
    for dataset, of_dataset in scale.datasets.items():
        for name, run in of_dataset.runs.items():
            if run.recipe.batch_size % max(1, run.gpus):
                raise ParameterError(
                    f"{scale.path}: key 'datasets.{dataset}.runs.{name}.gpus': {run.gpus} GPUs "
                    f"cannot share a batch of {run.recipe.batch_size} equally"
                )


def _check_figures(scale: Scale) -> None:
    for name, figure in scale.figures.items():
        at = f"{scale.path}: key 'figures.{name}"
        if figure.dataset not in scale.datasets:
            raise ParameterError(
                f"{at}.dataset': {figure.dataset!r} is not in datasets; "
                f"choose from {', '.join(scale.datasets)}"
            )
        runs = scale.datasets[figure.dataset].runs
        for run in figure.runs:
            if run not in runs:
                raise ParameterError(
                    f"{at}': {run!r} is not a run of {figure.dataset}; "
                    f"choose from {', '.join(runs)}"
                )
        for problem in _contradictions(figure, runs):
            raise ParameterError(f"{at}': {problem}")


def _contradictions(figure: Any, runs: Mapping[str, Run]) -> list[str]:
    """What is wrong between a figure and the runs that it shows."""
    match figure:
        case LevelsFigure() if not runs[figure.run].hierarchy:
            return [f"{figure.run!r} has one label level; give the run `hierarchy: true`"]
        case BranchesFigure():
            return [
                f"{run!r} has no block {figure.block} of branches"
                for run in figure.runs
                if figure.block > branched_blocks(runs[run].network)
            ]
        case JointAloneFigure() | PropertiesFigure():
            return [
                f"{pair.joint!r} has {K} sub-networks, but 'alone' has {len(pair.alone)} runs"
                for pair in (figure.thin, figure.shallow)
                if len(pair.alone) != (K := subnetworks(runs[pair.joint].network))
            ]
    return []


def subnetworks(network: Any) -> int:
    """K of a network, from its hyper-parameters."""
    match network:
        case IResNeXt() | ISResNeXt() | MSDNet():
            return int(network.K)
        case ShallowResNeXt(only=None):
            return int(network.L) - 1
    return 1


def branched_blocks(network: Any) -> int:
    """The number of blocks whose branches lie side by side in one convolution."""
    return network.L if isinstance(network, ResNeXt | IResNeXt) else 0
