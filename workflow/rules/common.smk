# Inputs and paths that several rules share.
TRAINING = f"{RESULTS}/runs/{{dataset}}/{{run}}/seed{{seed}}"


def runs_of(dataset):
    """The runs of a data set, as <dataset>/<run>."""
    return [f"{dataset}/{run}" for run in SCALE.datasets[dataset].runs]


def shown_in(figure):
    """The runs that a figure shows, as <dataset>/<run>."""
    shown = SCALE.figures[figure]
    return [f"{shown.dataset}/{run}" for run in shown.runs]


def results_of(wildcards):
    """What a figure reads of every training that it shows."""
    return expand(
        f"{RESULTS}/runs/{{run}}/seed{{seed}}/{{file}}",
        run=shown_in(wildcards.figure),
        seed=SCALE.seeds,
        file=SCALE.figures[wildcards.figure].reads,
    )


def flops_of(wildcards):
    """The FLOPs of every run that a figure shows."""
    return expand(f"{RESULTS}/flops/{{run}}.json", run=shown_in(wildcards.figure))


def networks_of(wildcards):
    """The networks that a figure shows: what decides their FLOPs."""
    return [canonical(SCALE.run(run).network) for run in shown_in(wildcards.figure)]
