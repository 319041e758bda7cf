"""The parameters of a scale: a YAML file, checked, as frozen dataclasses.

A *scale* is one setting of the whole study (quick, paper). It lists data sets, for each the *runs*
(a network with its hyper-parameters and a recipe), the seeds, and the figures. A *training* is a
run with a seed. A recipe is given once for the scale; a data set and a run may override keys of it,
and the number of GPUs likewise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain, pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, PlainValidator
from pydantic.dataclasses import dataclass

from anyslice.config.checked_yaml import (
    STRICT,
    Count,
    ParameterError,
    Positive,
    Problem,
    ProblemsError,
    check,
    check_file,
    missing,
    raise_problems,
    read_mapping,
)
from anyslice.config.families import NetworkParams, SideBySide, parse_network
from anyslice.config.figures import (
    BranchesFigure,
    Figure,
    GapsFigure,
    JointAloneFigure,
    LevelsFigure,
    PropertiesFigure,
    Seeds,
)
from anyslice.config.layers import merge, read_layers
from anyslice.config.names import DatasetName, FigureName, RunName, ScaleName

Fraction = Annotated[float, Field(gt=0, lt=1)]
Network = Annotated[NetworkParams, PlainValidator(parse_network)]
T = TypeVar("T")

ONE = re.compile(r"points\.|(.+\.)?alone")
SEVERAL = re.compile(r"lines\.|trainings\.|independent|shared|(.+\.)?joint")
"""Keys of figures that name runs of one and of several sub-networks."""


@dataclass(frozen=True, config=STRICT)
class Recipe:
    """How a run is trained (Appendix A).

    Where the paper and its authors' code differ, the paper's text is what the scales use.

    Attributes:
        epochs: passes over the training images; 0 evaluates a network with released weights.
        batch_size: images per step.
        learning_rate: the highest; see `training.schedule`.
        schedule: how the learning rate falls, in a "step" at each milestone (the paper) or
            "linear" to 0.
        warmup: fraction of all steps in which the learning rate rises from 0.
        milestones: fractions of the epochs after which a "step" multiplies the learning rate by
            gamma; see `milestone_epochs`.
        gamma: factor of a "step".
        momentum: of SGD, without dampening.
        nesterov: Nesterov's momentum (the authors' code: off).
        weight_decay: L2 penalty on all parameters.
        initialisation: MSRA [14], "msra-fan-in" as published or "msra-fan-out" as in the authors'
            code, or "pytorch" (that code's default); see `networks.initialise`.
        padding: of small images' random crop, "black" before normalisation or "mean" after it.
        large_images: how image files are cropped, "resize-range" [13] or "random-resized-crop".
        flip: mirror half of the images; not for digits or text.
        loss: over the sub-networks, "sum" (equation 1) or "mean".
        selection: which epoch's weights are kept: the one of lowest validation error of the full
            network ("best-full", the authors' code), or the "last".
    """

    epochs: Count
    batch_size: Positive
    learning_rate: Annotated[float, Field(gt=0)]
    momentum: Annotated[float, Field(ge=0, lt=1)]
    nesterov: bool
    weight_decay: Annotated[float, Field(ge=0)]
    initialisation: Literal["msra-fan-in", "msra-fan-out", "pytorch"]
    padding: Literal["black", "mean"]
    large_images: Literal["resize-range", "random-resized-crop"]
    flip: bool
    loss: Literal["sum", "mean"]
    selection: Literal["best-full", "last"]
    schedule: Literal["step", "linear"] = "step"
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    milestones: tuple[Fraction, ...] = ()
    gamma: Fraction | None = None

    @property
    def milestone_epochs(self) -> list[int]:
        """The epochs after which the learning rate falls.

        A short training keeps all phases of the schedule, each of an epoch or more; one of fewer
        epochs than phases, which no scale may list, has the first of them.
        """
        count, before = len(self.milestones), 0
        epochs = []
        for i, fraction in enumerate(self.milestones, start=1):
            latest = max(i, self.epochs - 1 - count + i)
            before = min(max(round(fraction * self.epochs), before + 1), latest)
            epochs.append(before)
        return epochs

    def problems(self) -> Iterator[Problem]:
        """Milestones belong to "step", and make phases of at least one epoch each."""
        if self.schedule == "linear":
            if self.milestones:
                yield "milestones", "only schedule 'step' has them: set [] for 'linear'"
            return
        if self.milestones and self.gamma is None:
            yield "gamma", "milestones multiply the learning rate by gamma: set it, as in 0.1"
        if any(later <= earlier for earlier, later in pairwise(self.milestones)):
            yield "milestones", f"{list(self.milestones)} must rise"
        if 0 < self.epochs <= len(self.milestones):
            phases = f"the {len(self.milestones) + 1} phases of the learning rate"
            yield "epochs", f"{self.epochs} are fewer than {phases}: set fewer milestones too"


@dataclass(frozen=True, config=STRICT)
class Run:
    """A network and how it is trained; its key in the file is its name.

    Attributes:
        hierarchy: train on all label levels of the data set (equation 2), not on the classes only.
    """

    network: Network
    recipe: Recipe
    hierarchy: bool = False


@dataclass(frozen=True, config=STRICT, kw_only=True)
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


@dataclass(frozen=True, config=STRICT)
class DatasetRuns:
    """The runs on one data set.

    Attributes:
        recipe, gpus: what its runs use unless they override it.
        runs: by name.
        stands_in_for: the data set of the paper that is shown by this one, which is another; left
            out where it is the paper's own.
    """

    recipe: Recipe
    gpus: Count
    runs: dict[RunName, ListedRun]
    stands_in_for: str | None = None


@dataclass(frozen=True, config=STRICT)
class Scale:
    """One setting of the whole study.

    Attributes:
        description: one line, printed on every figure.
        seeds: every run is trained once with each.
        threads: CPU threads of one training; on a GPU all but one decode images, where those are
            files.
        gpus: GPUs of one training unless its data set or run says otherwise; 0 trains on the CPU.
        checkpoint_minutes: at most this much work is lost when a training is killed.
        paper_setting: whether networks and recipes are the paper's, so that its values can be
            compared with those measured; where a data set stands in for another, never.
        recipe: what every run uses unless its data set or itself overrides it.
        datasets: the runs of each data set.
        figures: what each figure shows.
        name: the file's name without its ending.
        path: the file it was read from.
    """

    description: str
    seeds: Annotated[Seeds, Field(min_length=1)]
    threads: Positive
    gpus: Count
    recipe: Recipe
    datasets: dict[DatasetName, DatasetRuns]
    figures: dict[FigureName, Figure]
    name: ScaleName
    path: str
    checkpoint_minutes: Annotated[float, Field(gt=0)] = 5.0
    paper_setting: bool = False

    def run(self, name: str) -> Run:
        """The run called "<dataset>/<run>".

        Raises:
            ParameterError: if the scale has no such run; the message lists those it has.
        """
        return self._choose("run", name, self.listed).run

    def gpus_of(self, name: str) -> int:
        """The GPUs of one training of the run called "<dataset>/<run>"; raises as `run`."""
        return self._choose("run", name, self.listed).gpus

    def _choose(self, what: str, name: str, choices: Mapping[str, T]) -> T:
        if name not in choices:
            raise ParameterError(
                f"{self.path}: there is no {what} {name!r}; choose from {', '.join(choices)}"
            )
        return choices[name]

    @property
    def listed(self) -> dict[str, ListedRun]:
        """All runs, by "<dataset>/<run>"."""
        return {
            f"{dataset}/{name}": run
            for dataset, of_dataset in self.datasets.items()
            for name, run in of_dataset.runs.items()
        }

    @property
    def shown(self) -> tuple[str, ...]:
        """The runs that a figure shows, as "<dataset>/<run>", each once."""
        return tuple(dict.fromkeys(run for f in self.figures.values() for run in f.full_names))

    @property
    def leading(self) -> str | None:
        """The figure that the report opens on and latency is measured for: the first of budgets."""
        return next((n for n, figure in self.figures.items() if figure.kind == "budget"), None)

    def figure(self, name: str) -> Figure:
        """The figure of that name.

        Raises:
            ParameterError: if the scale has no such figure; the message lists those it has.
        """
        return self._choose("figure", name, self.figures)

    def seeds_of(self, figure: str) -> tuple[int, ...]:
        """The seeds that a figure shows; raises as `figure`."""
        return self.figure(figure).seeds or self.seeds


def canonical(value: Any) -> str:
    """A dataclass as one line of JSON: equal exactly when the parameters are."""
    return json.dumps(asdict(value), sort_keys=True)


def load_scale(
    scale: str, folder: Path = Path("params"), changes: Mapping[str, Any] | None = None
) -> Scale:
    """Read and check a scale.

    Args:
        scale: a name in `folder`, or the path of a YAML file.
        folder: where the scales are.
        changes: laid over the file, as the file is over one that it extends.

    Raises:
        ParameterError: if the file is missing or says something that cannot be.
    """
    layers = read_layers(scale, folder)
    path = layers[0][0]
    raw = merge([changes or {}, *(layer for _, layer in layers)])
    for dataset in _mappings(raw, "datasets"):
        _inherit(raw, dataset)
        for run in _mappings(dataset, "runs"):
            _inherit(dataset, run)
    try:
        checked = check_file(Scale, raw, path)
    except ProblemsError as error:
        raise ProblemsError(path, list(_where_set(error.problems))) from None
    problems = chain(
        _where_set(_of_recipes(checked)),
        _of_runs(checked, folder),
        _of_figures(checked),
    )
    raise_problems(path, problems)
    return checked


def _inherit(parent: dict[str, Any], child: dict[str, Any]) -> None:
    """Fill in what a data set or run takes from above: keys of the recipe, the number of GPUs."""
    child |= merge(
        [{key: of[key] for key in ("recipe", "gpus") if key in of} for of in (child, parent)]
    )


def _where_set(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Of equal problems of a recipe or a number of GPUs the first: others have inherited it."""
    seen: set[Problem] = set()
    for key, problem in problems:
        inherited = re.search(r"(?:^|\.)((?:recipe|gpus)(?:\..+)?)$", key)
        if inherited is None or (inherited[1], problem) not in seen:
            yield key, problem
        if inherited:
            seen.add((inherited[1], problem))


def _mappings(parent: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    children = parent.get(key)
    if not isinstance(children, dict):
        return []
    return [child for child in children.values() if isinstance(child, dict)]


def _of_recipes(scale: Scale) -> Iterator[Problem]:
    recipes = {"recipe": scale.recipe}
    for dataset, of_dataset in scale.datasets.items():
        recipes[f"datasets.{dataset}.recipe"] = of_dataset.recipe
        for name, run in of_dataset.runs.items():
            recipes[f"datasets.{dataset}.runs.{name}.recipe"] = run.recipe
    for place, recipe in recipes.items():
        yield from ((f"{place}.{key}", problem) for key, problem in recipe.problems())


def _of_runs(scale: Scale, folder: Path) -> Iterator[Problem]:
    """What is wrong with runs on images of their data set's size."""
    for dataset, of_dataset in scale.datasets.items():
        try:
            image_size = _image_size(dataset, (Path(scale.path).parent, folder))
        except ParameterError as error:
            yield f"datasets.{dataset}", str(error)
            continue
        for name, run in of_dataset.runs.items():
            at = f"datasets.{dataset}.runs.{name}"
            # Every GPU must get an equal share of a batch.
            batch, epochs = run.recipe.batch_size, run.recipe.epochs
            if batch % max(1, run.gpus):
                yield f"{at}.gpus", f"{run.gpus} GPUs cannot share a batch of {batch} equally"
            if run.network.released and epochs:
                yield f"{at}.recipe.epochs", f"released weights are evaluated: 0, not {epochs}"
            if not run.network.released and not epochs:
                yield f"{at}.recipe.epochs", "fresh weights are trained: 1 or more"
            for key, problem in run.network.problems(image_size):
                yield f"{at}.network.{key}".removesuffix("."), problem


def _image_size(dataset: str, folders: tuple[Path, ...]) -> int:
    """In pixels, as a data set's description says; of the first folder that has one."""
    for folder in folders:
        path = folder / "datasets" / f"{dataset}.yaml"
        if path.exists():
            return check(int, read_mapping(path).get("image_size"), path, ("image_size",))
    raise missing("description of this data set", path, path.parent.glob("*.yaml"))


def _of_figures(scale: Scale) -> Iterator[Problem]:
    for name, figure in scale.figures.items():
        if figure.dataset in scale.datasets:
            problems = _of_figure(figure, scale.datasets[figure.dataset].runs, scale.seeds)
        else:
            known = ", ".join(scale.datasets)
            problems = iter([("dataset", f"{figure.dataset!r} is not in datasets: {known}")])
        yield from ((f"figures.{name}.{key}", problem) for key, problem in problems)


def _of_figure(figure: Figure, runs: Mapping[str, Run], seeds: Sequence[int]) -> Iterator[Problem]:
    for number, seed in enumerate(figure.seeds or ()):
        if seed not in seeds:
            yield f"seeds.{number}", f"{seed} is not one of {list(seeds)}"
    for run, style in figure.styles.items():
        if run not in figure.runs:
            yield f"styles.{run}", f"not a run of this figure; choose from {', '.join(figure.runs)}"
        yield from ((f"styles.{run}.{key}", problem) for key, problem in style.problems())
    unknown = {key: run for key, run in figure.roles.items() if run not in runs}
    for key, run in unknown.items():
        yield key, f"{run!r} is not a run of {figure.dataset}; choose from {', '.join(runs)}"
    if not unknown:
        yield from _of_roles(figure, runs)


def _of_roles(figure: Figure, runs: Mapping[str, Run]) -> Iterator[Problem]:
    """Runs that cannot be what a figure takes them for."""
    for key, run in figure.roles.items():
        network = runs[run].network
        if ONE.match(key) and network.subnetworks > 1:
            yield key, f"a network of 1 sub-network is needed; this one has {network.subnetworks}"
        if SEVERAL.match(key) and network.subnetworks == 1:
            yield key, "a network of several sub-networks is needed; this one has 1"
    match figure:
        case LevelsFigure() if not runs[figure.run].hierarchy:
            yield "run", f"{figure.run!r} has one label level; give the run `hierarchy: true`"
        case BranchesFigure():
            for run in figure.runs:
                network = runs[run].network
                if not isinstance(network, SideBySide) or figure.block > network.L:
                    yield "block", f"{run!r} has no block {figure.block} of branches"
        case JointAloneFigure() | PropertiesFigure():
            for kind, pair in (("thin", figure.thin), ("shallow", figure.shallow)):
                K, count = runs[pair.joint].network.subnetworks, len(pair.alone)
                if count != K:
                    yield f"{kind}.alone", f"{pair.joint!r} has {K} sub-networks; here are {count}"
        case GapsFigure():
            networks = {tuple(runs[run].network for run in names) for names in figure.trainings}
            epochs = [{runs[run].recipe.epochs for run in names} for names in figure.trainings]
            if len(networks) != 1:
                yield "trainings", "one or more are needed, of the same networks in the same order"
            if any(len(own) != 1 for own in epochs) or len(set().union(*epochs)) < len(epochs):
                yield "trainings", "each needs one number of epochs, which no other has"
