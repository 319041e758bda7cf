# Snakemake removes a job's log when it starts the job again. So the log is a second name of a file of
# which it knows nothing, and which has what all attempts said.
# Snakemake compares no parameter that is a function of the output: metrics.json says what was trained.
rule train:
    """One training: a run with a seed. Its checkpoints are in work/, which no rule knows."""
    input:
        data=data_of,
        taxonomy=label_levels_of,
    output:
        model=f"{TRAINING}/{WEIGHTS}",
        metrics=f"{TRAINING}/{METRICS}",
        errors=f"{TRAINING}/{ERRORS}",
        timing=f"{TRAINING}/{TIMING}",
        history=f"{TRAINING}/{HISTORY}",
        predictions=f"{TRAINING}/{PREDICTIONS}",
    log:
        f"{TRAINING}/{LOG}",
    benchmark:
        f"{TRAINING}/benchmark.tsv"
    threads: lambda w: SCALE.threads * max(1, gpus_of(w))
    resources:
        gpu=gpus_of,
    params:
        why=lambda w, output: why_to_train(w),
        folder=lambda w, output: Path(output.metrics).parent,
        scale=lambda w, output: config["scale"],
        taxonomy=lambda w, output: (
            f"--taxonomy {taxonomy_of(w)}" if taxonomy_of(w) else ""
        ),
        budget=lambda w, resources: time_budget(resources),
    message:
        "train {wildcards.dataset}/{wildcards.run} seed {wildcards.seed}: {params.why}"
    shell:
        "touch {params.folder}/attempts.log && ln -f {params.folder}/attempts.log {log} &&"
        " anyslice train {wildcards.dataset}/{wildcards.run} --scale {params.scale:q}"
        " --seed {wildcards.seed} --output {params.folder} {params.taxonomy} {params.budget} --wait"
        " >> {log} 2>&1"
