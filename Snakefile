# The one graph of the study: every figure, from data to PDF, for the scale in force.
#   snakemake --cores all
#   snakemake --cores all results/fig4a.pdf
#   snakemake --cores all results/fig4a.pdf --config scale=paper
import json
import sys
from pathlib import Path
from shlex import quote

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version, validate

# A git worktree and DVC's experiments share an environment that was made for another checkout.
sys.path.insert(0, str(Path(workflow.basedir) / "src"))

from anyslice.pipeline.audit import reasons_to_train
from anyslice.config.scale import canonical, load_scale
from anyslice.config.checked_yaml import read_mapping
from anyslice.errors import AnysliceError
from anyslice.paths import (
    ERRORS,
    HISTORY,
    LOG,
    METRICS,
    PREDICTIONS,
    TIMING,
    WEIGHTS,
    flops_file,
    results_folder,
    training_folder,
)
from anyslice.pipeline.recovery import (
    date_back,
    find_first,
    let_sigterm_in,
    note_owner,
    refuse_read_only_folder,
)

# Snakemake's SLURM plugin asks sacct, which waits where the cluster's would not; see there.
find_first(Path(workflow.basedir) / "workflow/slurm")

min_version("9.27")
validate(config, "workflow/schemas/config.schema.yaml")

try:
    refuse_read_only_folder()
    SCALE = load_scale(config["scale"])
except AnysliceError as error:
    raise WorkflowError(str(error)) from None

RESULTS = results_folder(SCALE.name)
DIAGRAMS = ["fig1", "fig2"]

date_back(Path().glob("data/**/*.json"))
date_back(Path("params").rglob("*.yaml"))
date_back(RESULTS.rglob("*.json"))


container: "anyslice.sif"


rule all:
    """Every figure and claim of the scale in force, and the report."""
    input:
        expand("results/{figure}.pdf", figure=[*DIAGRAMS, *SCALE.figures]),
        "results/claims.csv",
        "results/report.html",


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/taxonomy.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/flops.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/latency.smk"
include: "workflow/rules/report.smk"


onstart:
    note_owner()
    let_sigterm_in(workflow.scheduler)
