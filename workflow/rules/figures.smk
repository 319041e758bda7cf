ENDINGS = ("pdf", "png", "csv")


# The block diagrams are plotted from the networks' code alone.
for figure in DIAGRAMS:

    rule:
        name:
            figure
        output:
            pdf=f"results/{figure}.pdf",
            png=f"results/{figure}.png",
        log:
            f"results/{figure}.log",
        localrule: True
        params:
            figure=figure,
        message:
            f"draw {figure}"
        shell:
            "anyslice figure {params.figure} --results results > {log} 2>&1"


# FLOPs are "ancient": they are rewritten for all runs of a data set at once, and a figure is
# plotted again only when a network that it shows has changed.
rule draw:
    """A figure of the scale, and the table it draws."""
    input:
        results=lambda w: files_of(
            METRICS, shown_in(w.figure), SCALE.seeds_of(w.figure)
        ),
        flops=ancient(lambda w: required(flops_of(shown_in(w.figure)))),
    output:
        table=f"{RESULTS}/{{figure}}.csv",
        pdf=f"{RESULTS}/{{figure}}.pdf",
        png=f"{RESULTS}/{{figure}}.png",
    log:
        f"{RESULTS}/{{figure}}.log",
    wildcard_constraints:
        figure="|".join(SCALE.figures),
    localrule: True
    params:
        scale=config["scale"],
        description=SCALE.description,
        stands_in_for=lambda w: stands_in_for(w.figure),
        figure=lambda w: canonical(SCALE.figures[w.figure]),
        seeds=lambda w: SCALE.seeds_of(w.figure),
        networks=lambda w: networks_of(w.figure),
    message:
        "draw {wildcards.figure}"
    shell:
        "anyslice figure {wildcards.figure} --scale {params.scale:q} > {log} 2>&1"


for figure in SCALE.figures:

    rule:
        name:
            figure
        input:
            lambda w, figure=figure: required(
                [f"{RESULTS}/{figure}.{end}" for end in ENDINGS]
            ),
        output:
            [f"results/{figure}.{end}" for end in ENDINGS],
        log:
            f"{RESULTS}/{figure}.copy.log",
        localrule: True
        message:
            f"copy {figure} to results/"
        shell:
            "cp {input} results > {log} 2>&1"
