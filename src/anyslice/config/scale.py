"""The parameters of a scale: a YAML file, checked, as frozen dataclasses.

A *scale* is one setting of the whole study (quick, paper). It lists data sets, for each the *runs*
(a network with its hyper-parameters and a recipe), the seeds, and the figures. A *training* is a
run with a seed. A recipe is given once for the scale; a data set and a run may override keys of it,
and the number of GPUs likewise.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
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
    check,
    check_file,
    missing,
    raise_problems,
    read_mapping,
)
from anyslice.config.families import FAMILIES, NetworkParams, Problem, parse_network
from anyslice.config.figures import Figure, figure_problems
from anyslice.config.layers import merge, read_layers
from anyslice.config.names import problem_of

Fraction = Annotated[float, Field(gt=0, lt=1)]
Network = Annotated[NetworkParams, PlainValidator(parse_network)]
T = TypeVar("T")


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
        phases = len(self.milestones) + 1
        if 0 < self.epochs < phases:
            yield (
                "epochs",
                f"{len(self.milestones)} milestones make {phases} phases of the learning rate, "
                f"which need at least {phases} epochs, not {self.epochs}; set fewer milestones "
                "too ([] for one phase)",
            )


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
    runs: dict[str, ListedRun]
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
    seeds: tuple[Count, ...]
    threads: Positive
    gpus: Count
    recipe: Recipe
    datasets: dict[str, DatasetRuns]
    figures: dict[str, Figure]
    name: str
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
    if problem := problem_of("scale", path.stem):
        raise ParameterError(f"{path}: {problem}: rename the file")
    raw = merge([changes or {}, *(layer for _, layer in layers)])
    check(Recipe, raw.get("recipe"), path, ("recipe",))
    check(Count, raw.get("gpus"), path, ("gpus",))
    for key, dataset in _mappings(raw, "datasets"):
        at = ("datasets", key)
        _inherit(raw, dataset, path, at)
        for name, run in _mappings(dataset, "runs"):
            _inherit(dataset, run, path, (*at, "runs", name))
            _check_network(run.get("network"), path, (*at, "runs", name, "network"))
    checked = check_file(Scale, raw, path)
    problems = chain(
        _of_names(checked),
        _of_seeds(checked),
        _of_recipes(checked),
        _of_runs(checked, folder),
        _of_figures(checked),
    )
    raise_problems(path, (f"key {key!r}: {problem}" for key, problem in problems))
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


def _check_network(network: Any, path: Path, at: tuple[str, ...]) -> None:
    """Refuse hyper-parameters that the network's family does not have."""
    if not isinstance(network, dict) or not isinstance(network.get("name"), str):
        return
    try:
        kind = FAMILIES[network["name"]].params
    except ParameterError as error:
        raise ParameterError(f"{path}: key {'.'.join(at)!r}: {error}") from None
    check(kind, network, path, at)


def _mappings(parent: Mapping[str, Any], key: str) -> list[tuple[str, dict[str, Any]]]:
    children = parent.get(key)
    if not isinstance(children, dict):
        return []
    return [(name, child) for name, child in children.items() if isinstance(child, dict)]


def _of_names(scale: Scale) -> Iterator[Problem]:
    for dataset, of_dataset in scale.datasets.items():
        named = [(f"datasets.{dataset}", "data set", dataset)]
        named += [(f"datasets.{dataset}.runs.{run}", "run", run) for run in of_dataset.runs]
        yield from ((key, problem) for key, *said in named if (problem := problem_of(*said)))
    for figure in scale.figures:
        if problem := problem_of("figure", figure):
            yield f"figures.{figure}", problem


def _of_seeds(scale: Scale) -> Iterator[Problem]:
    if not scale.seeds:
        yield "seeds", "at least one is needed"
    for seed in sorted(set(scale.seeds)):
        if scale.seeds.count(seed) > 1:
            yield "seeds", f"seed {seed} appears {scale.seeds.count(seed)} times"


def _of_recipes(scale: Scale) -> Iterator[Problem]:
    """What is wrong with recipes, said once for each, where it is set."""
    places = {scale.recipe: "recipe"}
    for dataset, of_dataset in scale.datasets.items():
        places.setdefault(of_dataset.recipe, f"datasets.{dataset}.recipe")
        for name, run in of_dataset.runs.items():
            places.setdefault(run.recipe, f"datasets.{dataset}.runs.{name}.recipe")
    for recipe, place in places.items():
        for key, problem in recipe.problems():
            yield f"{place}.{key}", problem


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
            if run.recipe.batch_size % max(1, run.gpus):
                yield (
                    f"{at}.gpus",
                    f"{run.gpus} GPUs cannot share a batch of {run.recipe.batch_size} equally",
                )
            if run.network.released != (run.recipe.epochs == 0):
                weights = "released" if run.network.released else "fresh"
                yield (
                    f"{at}.recipe.epochs",
                    f"{run.recipe.epochs} epochs with {weights} weights: released ones are "
                    "evaluated (0 epochs), fresh ones are trained",
                )
            for key, problem in run.network.problems(image_size):
                yield f"{at}.network.{key}".removesuffix("."), problem


def _image_size(dataset: str, folders: tuple[Path, ...]) -> int:
    """In pixels, as a data set's description says; of the first folder that has one."""
    descriptions = [folder / "datasets" / f"{dataset}.yaml" for folder in folders]
    path = next((path for path in descriptions if path.exists()), None)
    if path is None:
        last = descriptions[-1]
        raise missing("description of this data set", last, last.parent.glob("*.yaml"))
    return check(int, read_mapping(path).get("image_size"), path, ("image_size",))


def _of_figures(scale: Scale) -> Iterator[Problem]:
    for name, figure in scale.figures.items():
        if figure.dataset not in scale.datasets:
            choices = ", ".join(scale.datasets)
            yield (
                f"figures.{name}.dataset",
                f"{figure.dataset!r} is not in datasets; choose from {choices}",
            )
            continue
        for key, problem in figure_problems(
            figure, scale.datasets[figure.dataset].runs, scale.seeds
        ):
            yield f"figures.{name}.{key}", problem
