"""dvc.yaml, compiled from the Snakefile's graph: Snakemake runs, DVC proves and stores.

A stage is one figure, one run with all its seeds, or one data set. Its command asks Snakemake for
the stage's outputs; its dependencies and outputs are those of Snakemake's jobs. Weights, prepared
data and pictures go to DVC's cache; metrics and tables stay in git.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from anyslice.config.layers import Layer, merge, read_layers
from anyslice.config.scale import Scale, load_scale

STAGES = {
    "fetch_parents": "parents-{dataset}",
    "prepare": "data-{dataset}",
    "taxonomy": "taxonomy-{dataset}",
    "taxonomy_figure": "taxonomy-{dataset}",
    "train": "{dataset}-{run}",
    "draw": "{figure}",
    "list_runs": "runs",
    "check_claims": "claims",
}
"""The stage that a rule's jobs belong to; a rule that is not here is a stage of its own name."""

WITHOUT_STAGE = ("fetch",)
"""Rules that only lead to a prepared data set; what they write holds for one machine."""

IN_GIT = (".json", ".csv", ".md", ".tex")
NOT_IN_GIT = ("history.csv",)


@dataclass(frozen=True)
class Job:
    """A job of Snakemake's graph, as far as DVC is concerned; paths are relative.

    Attributes:
        rule: its rule's name.
        wildcards: values by name.
        inputs: files that it reads.
        outputs: files that it writes.
    """

    rule: str
    wildcards: dict[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def stage(self) -> str:
        """The name of its stage."""
        return STAGES.get(self.rule, self.rule.replace("_", "-")).format(**self.wildcards)


@dataclass
class Stage:
    """What a stage's jobs read and write, without what they hand to each other."""

    targets: list[str] = field(default_factory=list)
    deps: list[str] = field(default_factory=list)
    outs: list[str] = field(default_factory=list)
    params: list[tuple[str, str | None]] = field(default_factory=list)


def jobs_of(snakefile: Path, scale: str) -> list[Job]:
    """The jobs of the whole study at a scale, in the order of the data flow.

    Args:
        snakefile: in the project's folder, which must be the current one.
        scale: a name in params/, or the path of a YAML file.
    """
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        OutputSettings,
        Quietness,
        ResourceSettings,
    )

    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow_api = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(config={"scale": scale}),
            snakefile=snakefile,
            workdir=Path.cwd(),
        )
        workflow_api.dag(DAGSettings(targets=frozenset({"all"})))
        workflow = workflow_api._workflow  # no public call gives the jobs; the version is pinned
        workflow._prepare_dag(forceall=False, ignore_incomplete=True, lock_warn_only=True)
        workflow._build_dag()
        return [
            Job(
                job.rule.name,
                dict(job.wildcards_dict),
                tuple(map(str, job.input)),
                tuple(map(str, job.output)),
            )
            for level in workflow.dag.toposorted()
            for job in sorted(level, key=lambda job: (job.rule.name, list(job.output)))
        ]


def compile_stages(jobs: Iterable[Job], scale: Scale, layers: list[Layer]) -> dict[str, Any]:
    """The content of dvc.yaml.

    Args:
        jobs: of the whole study.
        scale: in force.
        layers: its file and those it extends as they are written, to know which keys each has.
    """
    stages: dict[str, Stage] = {}
    for job in jobs:
        if job.outputs and job.rule not in WITHOUT_STAGE:
            _add(stages.setdefault(job.stage, Stage()), job, layers)
    written = {name: _entry(stage, scale) for name, stage in sorted(stages.items())}
    return {"stages": written, "plots": [_plot(name, scale) for name in scale.figures]}


def dvc_yaml(scale: str) -> str:
    """The text of dvc.yaml for a scale; the project's folder must be the current one."""
    loaded = load_scale(scale)
    content = compile_stages(
        jobs_of(Path("Snakefile"), scale), loaded, read_layers(scale, Path("params"))
    )
    head = (
        f"# For the scale {loaded.name}: compiled from the Snakefile by "
        f"`anyslice dvc-yaml --scale {scale}`; do not edit.\n"
    )
    return head + yaml.safe_dump(content, sort_keys=False, width=100)


def _add(stage: Stage, job: Job, layers: list[Layer]) -> None:
    for output in job.outputs:
        _append(stage.targets, output)
        _append(stage.outs, _tracked(output, job))
    for name in job.inputs:
        if name.startswith("params/"):
            _append(stage.params, (name, None))
        elif not name.startswith("data/sources/") or name.endswith("parents.txt"):
            _append(stage.deps, name)
    for key in _keys(job, merge(raw for _, raw in layers)):
        for path, raw in layers:
            if _has(raw, key):
                _append(stage.params, (str(path), key))
    if job.rule == "check_claims":
        _append(stage.params, ("params/claims.yaml", None))


def _tracked(path: str, job: Job) -> str:
    """What DVC tracks for an output: of a prepared data set, the whole folder."""
    return str(PurePosixPath(path).parent) if job.rule == "prepare" else path


def _has(raw: Any, key: str) -> bool:
    """Whether a file sets a key, given as "a.b.c"."""
    for part in key.split("."):
        raw = raw.get(part) if isinstance(raw, dict) else None
    return raw is not None


def _keys(job: Job, raw: dict[str, Any]) -> list[str]:
    """The keys of a scale that a job's outcome depends on."""
    match job.rule:
        case "train":
            dataset, run = job.wildcards["dataset"], job.wildcards["run"]
            overrides = "recipe" in raw["datasets"][dataset]
            keys = raw["datasets"][dataset]["runs"][run]
            return [
                "seeds",
                "recipe",
                *([f"datasets.{dataset}.recipe"] if overrides else []),
                *(f"datasets.{dataset}.runs.{run}.{key}" for key in keys if key != "gpus"),
            ]
        case "draw":
            return ["description", f"figures.{job.wildcards['figure']}"]
        case "check_claims":
            return ["description"]
        case "report":
            return list(raw)
    runs = [PurePosixPath(path) for path in job.outputs if "/flops/" in path]
    return [f"datasets.{path.parent.name}.runs.{path.stem}.network" for path in runs]


def _entry(stage: Stage, scale: Scale) -> dict[str, Any]:
    deps = [path for path in stage.deps if path not in stage.targets]
    metrics = [path for path in stage.outs if path.endswith("/errors.json")]
    outs = [path for path in stage.outs if path not in metrics]
    command = ["anyslice", "make", *stage.targets, "--config", f"scale={_argument(scale)}"]
    entry: dict[str, Any] = {"cmd": shlex.join(command)}
    if deps:
        entry["deps"] = sorted(deps)
    if stage.params:
        entry["params"] = _grouped(stage.params)
    entry["outs"] = [{path: {"cache": False}} if _in_git(path) else path for path in sorted(outs)]
    if metrics:
        entry["metrics"] = [{path: {"cache": False}} for path in sorted(metrics)]
    return {key: value for key, value in entry.items() if value}


def _grouped(params: list[tuple[str, str | None]]) -> list[dict[str, list[str] | None]]:
    """DVC's list of parameters: keys by file; None for the whole file."""
    files = dict.fromkeys(file for file, _ in params)
    return [
        {file: sorted(key for other, key in params if other == file and key is not None) or None}
        for file in sorted(files)
    ]


def _in_git(path: str) -> bool:
    name = PurePosixPath(path).name
    return name.endswith(IN_GIT) and name not in NOT_IN_GIT


def _plot(figure: str, scale: Scale) -> str:
    return f"results/{scale.name}/{figure}.png"


def _argument(scale: Scale) -> str:
    """How a scale is named on the command line."""
    in_params = Path("params") / f"{scale.name}.yaml"
    return scale.name if Path(scale.path) == in_params else scale.path


def _append(values: list[Any], value: Any) -> None:
    if value not in values:
        values.append(value)
