# The one graph of the study: every figure, from data to PDF, for the scale in force.
#   snakemake --cores all results/fig4a.pdf
#   snakemake --cores all results/fig4a.pdf --config scale=paper
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version, validate

from anyslice.params import ParameterError, canonical, load_scale

min_version("9.27")
validate(config, "workflow/schemas/config.schema.yaml")

try:
    SCALE = load_scale(config["scale"])
except ParameterError as error:
    raise WorkflowError(str(error)) from None

RESULTS = f"results/{SCALE.name}"
DIAGRAMS = ["fig1", "fig2"]


container: "docker://anyslice:latest"


rule all:
    """Every figure of the scale in force."""
    input:
        expand("results/{figure}.pdf", figure=[*DIAGRAMS, *SCALE.figures]),


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/flops.smk"
include: "workflow/rules/figures.smk"
