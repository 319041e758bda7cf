# One job counts all runs of a data set: importing PyTorch takes longer than counting a run.
for dataset in SCALE.datasets:

    rule:
        name:
            f"count_flops_{dataset.replace('-', '_')}"
        output:
            flops_of(runs_of(dataset)),
        log:
            f"{RESULTS}/flops/{dataset}.log",
        localrule: True
        params:
            scale=config["scale"],
            runs=runs_of(dataset),
            networks=[canonical(SCALE.run(run).network) for run in runs_of(dataset)],
        message:
            f"count operations of {dataset}"
        shell:
            "anyslice flops {params.runs} --scale {params.scale:q} > {log} 2>&1"


rule flops:
    """FLOPs and parameters of every run of the scale; needs no data and no GPU."""
    input:
        [flops_of(runs_of(dataset)) for dataset in SCALE.datasets],
