rule count_flops:
    """FLOPs and parameters of every sub-network of a run; needs no data."""
    output:
        f"{RESULTS}/flops/{{dataset}}/{{run}}.json",
    log:
        f"{RESULTS}/flops/{{dataset}}/{{run}}.log",
    params:
        scale=config["scale"],
        network=lambda w: canonical(SCALE.run(f"{w.dataset}/{w.run}").network),
    shell:
        "anyslice flops {wildcards.dataset}/{wildcards.run} --scale {params.scale}"
        " --output {output} > {log} 2>&1"


rule flops:
    """FLOPs of every run of the scale."""
    input:
        [
            f"{RESULTS}/flops/{dataset}/{run}.json"
            for dataset, of_dataset in SCALE.datasets.items()
            for run in of_dataset.runs
        ],
