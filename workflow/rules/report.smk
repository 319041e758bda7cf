# All results together: the table of trainings, the claims, the report.


rule list_runs:
    """Every training that a figure shows, with errors, MACs and wall time."""
    input:
        metrics=files_of(METRICS, SCALE.shown, SCALE.seeds),
        timings=files_of(TIMING, SCALE.shown, SCALE.seeds),
        flops=ancient(lambda w: required(flops_of(SCALE.shown))),
    output:
        f"{RESULTS}/runs.csv",
    log:
        f"{RESULTS}/runs.log",
    localrule: True
    params:
        scale=config["scale"],
        runs=list(SCALE.shown),
        seeds=SCALE.seeds,
    message:
        "list the trainings"
    shell:
        "anyslice runs --scale {params.scale:q} > {log} 2>&1"


rule check_claims:
    """Every claim of the paper beside its measured value."""
    input:
        lambda w: required(
            [
                f"{RESULTS}/runs.csv",
                *expand(f"{RESULTS}/{{figure}}.csv", figure=SCALE.figures),
                *expand(f"{RESULTS}/taxonomy/{{dataset}}.json", dataset=taxonomies()),
            ]
        ),
    output:
        csv=f"{RESULTS}/claims.csv",
        md=f"{RESULTS}/claims.md",
    log:
        f"{RESULTS}/claims.log",
    localrule: True
    params:
        scale=config["scale"],
        description=SCALE.description,
        paper_setting=SCALE.paper_setting,
        stand_ins=[stands_in_for(figure) for figure in SCALE.figures],
        figures=sorted(SCALE.figures),
        claims=json.dumps(read_mapping(Path("params/claims.yaml")), sort_keys=True),
    message:
        "judge the claims"
    shell:
        "anyslice claims {input} --scale {params.scale:q} --csv {output.csv} --markdown {output.md}"
        " > {log} 2>&1"


rule claims:
    """The claims of the scale in force."""
    input:
        lambda w: required([f"{RESULTS}/claims.csv", f"{RESULTS}/claims.md"]),
    output:
        csv="results/claims.csv",
        md="results/claims.md",
    log:
        f"{RESULTS}/claims.copy.log",
    localrule: True
    message:
        "copy the claims to results/"
    shell:
        "cp {input} results > {log} 2>&1"


rule report:
    """One HTML file that needs nothing else: verdicts, figures with their claims, trainings."""
    input:
        claims=f"{RESULTS}/claims.csv",
        runs=f"{RESULTS}/runs.csv",
        pictures=expand("results/{figure}.png", figure=[*SCALE.figures, *DIAGRAMS])
        + expand("results/taxonomy-{dataset}.png", dataset=taxonomies()),
    output:
        "results/report.html",
    log:
        f"{RESULTS}/report.log",
    localrule: True
    params:
        scale=config["scale"],
        parameters=canonical(SCALE),
    message:
        "write the report"
    shell:
        "anyslice report {input.pictures} --scale {params.scale:q} --claims {input.claims}"
        " --runs {input.runs} --output {output} > {log} 2>&1"
