# Inputs and paths that several rules share.
TRAINING = f"{RESULTS}/runs/{{dataset}}/{{run}}/seed{{seed}}"


def metrics_of(wildcards):
    """The metrics of every training that a figure shows."""
    figure = SCALE.figures[wildcards.figure]
    return expand(
        f"{RESULTS}/runs/{figure.dataset}/{{run}}/seed{{seed}}/metrics.json",
        run=figure.runs,
        seed=SCALE.seeds,
    )


def flops_of(wildcards):
    """The FLOPs of every run that a figure shows."""
    figure = SCALE.figures[wildcards.figure]
    return expand(f"{RESULTS}/flops/{figure.dataset}/{{run}}.json", run=figure.runs)
