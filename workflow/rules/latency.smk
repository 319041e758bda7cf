# What sub-networks take on a machine: measured once, since no machine gives the same milliseconds twice.
# To measure again, on another machine or when trainings have changed, delete the file.
rule measure_latency:
    """Milliseconds of every sub-network of Figure 4's first anytime networks, as they are exported."""
    input:
        ancient([folder / WEIGHTS for folder in timed()]),
    output:
        f"{RESULTS}/latency.json",
    log:
        f"{RESULTS}/latency.log",
    threads: SCALE.threads
    params:
        folders=timed(),
        models=[f"work/exported/{folder}" for folder in timed()],
    message:
        "measure latencies"
    shell:
        "(for run in {params.folders}; do"
        " anyslice export $run --trust --output work/exported/$run || exit 1; done;"
        " anyslice latency {params.models} --threads {threads} --output {output}) > {log} 2>&1"


rule latency:
    """Error against milliseconds, beside error against MACs."""
    input:
        f"{RESULTS}/latency.json",
    output:
        pdf="results/latency.pdf",
        png="results/latency.png",
    log:
        "results/latency.log",
    localrule: True
    message:
        "draw latencies"
    shell:
        "anyslice latency --measured {input} --trust --figure {output.pdf} > {log} 2>&1"
