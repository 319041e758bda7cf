"""dvc.yaml, compiled from the Snakefile's graph: Snakemake runs, DVC proves and stores.

A stage is one figure, one run with all its seeds, or one data set. Its command asks Snakemake for
the stage's outputs; its dependencies and outputs are those of Snakemake's jobs. Weights, prepared
data and pictures go to DVC's cache; metrics and tables stay in git.
"""

from __future__ import annotations

import shlex
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from anyslice.config.layers import Layer, merge, read_layers
from anyslice.config.scale import Scale, load_scale
from anyslice.paths import ERRORS, HISTORY, results_folder

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
NOT_IN_GIT = (HISTORY,)


@dataclass(frozen=True)
class Job:
    """A job of Snakemake's graph, as far as DVC is concerned; paths are relative."""

    rule: str
    wildcards: dict[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def stage(self) -> str:
        """The name of its stage."""
        return STAGES.get(self.rule, self.rule.replace("_", "-")).format(**self.wildcards)


def jobs_of(scale: str) -> list[Job]:
    """The jobs of the whole study at a scale, in the order of the data flow."""
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
            snakefile=Path("Snakefile"),
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


def dvc_yaml(scale: str) -> str:
    """The text of dvc.yaml for a scale; the project's folder must be the current one."""
    loaded, layers = load_scale(scale), read_layers(scale, Path("params"))
    stages: dict[str, list[Job]] = defaultdict(list)
    for job in jobs_of(scale):
        if job.outputs and job.rule not in WITHOUT_STAGE:
            stages[job.stage].append(job)
    content = {
        "stages": {name: _entry(jobs, loaded, layers) for name, jobs in sorted(stages.items())},
        "plots": [f"{results_folder(loaded.name)}/{figure}.png" for figure in loaded.figures],
    }
    head = (
        f"# For the scale {loaded.name}: compiled from the Snakefile by "
        f"`anyslice dvc-yaml --scale {scale}`; do not edit.\n"
    )
    return head + yaml.safe_dump(content, sort_keys=False, width=100)


def _entry(jobs: list[Job], scale: Scale, layers: list[Layer]) -> dict[str, Any]:
    """A stage: what its jobs read and write, without what they hand to each other."""
    targets = list(dict.fromkeys(path for job in jobs for path in job.outputs))
    inputs = {path for job in jobs for path in job.inputs if _is_dependency(path)}
    outs = sorted({_tracked(path, job) for job in jobs for path in job.outputs})
    metrics = [path for path in outs if path.endswith(f"/{ERRORS}")]
    command = ["anyslice", "make", *targets, "--config", f"scale={_argument(scale)}"]
    entry: dict[str, Any] = {
        "cmd": shlex.join(command),
        "deps": sorted(inputs.difference(targets)),
        "params": _params(jobs, layers),
        "outs": [
            {path: {"cache": False}} if _in_git(path) else path
            for path in outs
            if path not in metrics
        ],
        "metrics": [{path: {"cache": False}} for path in metrics],
    }
    return {key: value for key, value in entry.items() if value}


def _is_dependency(path: str) -> bool:
    if path.startswith("data/sources/"):
        return path.endswith("parents.txt")
    return not path.startswith("params/")


def _tracked(path: str, job: Job) -> str:
    """What DVC tracks for an output: of a prepared data set, the whole folder."""
    return str(PurePosixPath(path).parent) if job.rule == "prepare" else path


def _params(jobs: list[Job], layers: list[Layer]) -> list[dict[str, list[str] | None]]:
    """DVC's list of parameters: keys by the file that says them; None for the whole file."""
    files: dict[str, list[str] | None] = {
        path: None for job in jobs for path in job.inputs if path.startswith("params/")
    }
    if any(job.rule == "check_claims" for job in jobs):
        files["params/claims.yaml"] = None
    merged = merge(raw for _, raw in layers)
    keys = sorted({key for job in jobs for key in _keys(job, merged)})
    for path, raw in layers:
        if written := [key for key in keys if _has(raw, key)]:
            files[str(path)] = written
    return [{file: files[file]} for file in sorted(files)]


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


def _in_git(path: str) -> bool:
    name = PurePosixPath(path).name
    return name.endswith(IN_GIT) and name not in NOT_IN_GIT


def _argument(scale: Scale) -> str:
    """How a scale is named on the command line."""
    in_params = Path("params") / f"{scale.name}.yaml"
    return scale.name if Path(scale.path) == in_params else scale.path
