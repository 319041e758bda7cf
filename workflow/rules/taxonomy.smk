# From class names to label levels. The paper scale takes the paper's own table of CUB's parents.
rule fetch_parents:
    """The paper's table of parents, verified."""
    output:
        "data/sources/{dataset}/parents.txt",
    log:
        "data/sources/{dataset}/parents.log",
    localrule: True
    message:
        "fetch the parents of {wildcards.dataset}"
    shell:
        "anyslice taxonomy-parents --dataset {wildcards.dataset} --output {output} > {log} 2>&1"


rule taxonomy:
    """The tree and the label levels of a data set."""
    input:
        dataset="params/datasets/{dataset}.yaml",
        rules=taxonomy_rules_of,
        wordnet="data/embedded/wordnet/SHA256SUMS",
        parents=taxonomy_parents_of,
    output:
        f"{RESULTS}/taxonomy/{{dataset}}.json",
    log:
        f"{RESULTS}/taxonomy/{{dataset}}.log",
    localrule: True
    params:
        wordnet=lambda w, input: Path(input.wordnet).parent,
        parents=lambda w, input: f"--parents {input.parents}" if input.parents else "",
    message:
        "label levels of {wildcards.dataset}"
    shell:
        "anyslice taxonomy --dataset {wildcards.dataset} --wordnet {params.wordnet}"
        " {params.parents} --output {output} > {log} 2>&1"


rule taxonomy_figure:
    """The tree as a picture, its levels marked by colour."""
    input:
        f"{RESULTS}/taxonomy/{{dataset}}.json",
    output:
        pdf="results/taxonomy-{dataset}.pdf",
        png="results/taxonomy-{dataset}.png",
    log:
        "results/taxonomy-{dataset}.log",
    localrule: True
    params:
        stem=lambda w, output: Path(output.pdf).with_suffix(""),
    message:
        "draw the label levels of {wildcards.dataset}"
    shell:
        "anyslice taxonomy-figure {input} --output {params.stem} > {log} 2>&1"
