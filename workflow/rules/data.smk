rule prepare:
    """A data set as tensors, its split, and a manifest with checksums."""
    input:
        "params/datasets/{dataset}.yaml",
    output:
        "data/{dataset}/manifest.json",
    log:
        "data/{dataset}/prepare.log",
    params:
        folder=lambda w, output: Path(output[0]).parent,
    shell:
        "anyslice data prepare {wildcards.dataset} --output {params.folder} > {log} 2>&1"
