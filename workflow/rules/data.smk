# From a data set's sources to verified tensors or image files. Where the files of a data set lie in
# a folder of yours, name it: --config 'sources={imagenet: /path/to/ILSVRC2012}'.
wildcard_constraints:
    dataset="[^/]+",


rule fetch:
    """The source files of a data set: where they are, downloaded if they are nowhere."""
    input:
        "params/datasets/{dataset}.yaml",
    output:
        "data/sources/{dataset}/fetched.json",
    log:
        "data/sources/{dataset}/fetch.log",
    localrule: True
    params:
        # A source folder belongs to one machine, so it must not trigger a re-run: Snakemake ignores
        # parameters that are functions of the output.
        source=lambda w, output: source_of(w.dataset),
    message:
        "find the files of {wildcards.dataset}"
    shell:
        "anyslice data fetch {wildcards.dataset} {params.source} --output {output} > {log} 2>&1"


rule prepare:
    """A data set, its sources' checksums verified, as tensors or image files, its split, and a manifest with checksums."""
    input:
        description="params/datasets/{dataset}.yaml",
        fetched="data/sources/{dataset}/fetched.json",
    output:
        "data/{dataset}/manifest.json",
    log:
        "data/sources/{dataset}/prepare.log",
    params:
        folder=lambda w, output: Path(output[0]).parent,
    message:
        "prepare {wildcards.dataset}"
    shell:
        "anyslice data prepare {wildcards.dataset} --fetched {input.fetched}"
        " --output {params.folder} > {log} 2>&1"
