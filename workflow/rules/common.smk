# Inputs and paths that several rules share.
TRAINING = training_folder(RESULTS, "{dataset}/{run}", "{seed}")


def files_of(name, runs, seeds):
    """The file of that name of each training of some runs, named <dataset>/<run>."""
    return [
        training_folder(RESULTS, run, seed) / name for run in runs for seed in seeds
    ]


def flops_of(runs):
    """What each run costs."""
    return [flops_file(RESULTS, run) for run in runs]


def runs_of(dataset):
    """The runs of a data set, as <dataset>/<run>."""
    return [f"{dataset}/{run}" for run in SCALE.datasets[dataset].runs]


def shown_in(figure):
    """The runs that a figure shows, as <dataset>/<run>."""
    return SCALE.figures[figure].full_names


def stands_in_for(figure):
    """The data set of the paper that a figure's stands in for, if it is not the paper's."""
    return SCALE.datasets[SCALE.figures[figure].dataset].stands_in_for or ""


def networks_of(figure):
    """The networks that a figure shows: what decides their FLOPs."""
    return [canonical(SCALE.run(run).network) for run in shown_in(figure)]


def gpus_of(wildcards):
    """The GPUs of one training."""
    return SCALE.gpus_of(f"{wildcards.dataset}/{wildcards.run}")


def time_budget(resources):
    """How long a training may take where a job has a limit, `runtime` in minutes; else no limit.

    The rest is for what comes before and after: the job's start, the last step, a checkpoint. What
    depends on resources starts no training again, as Snakemake leaves it out of its comparison.
    """
    runtime = resources.get("runtime")
    return f"--time-budget {max(runtime - 10, runtime / 2):g}" if runtime else ""


def taxonomy_of(wildcards):
    """The label levels of a run's data set, if the run is hierarchical."""
    hierarchical = SCALE.run(f"{wildcards.dataset}/{wildcards.run}").hierarchy
    return f"{RESULTS}/taxonomy/{wildcards.dataset}.json" if hierarchical else []


def taxonomy_rules_of(wildcards):
    """How a taxonomy is extracted from WordNet; nothing for data sets with coarse labels of their own."""
    path = Path(f"params/taxonomy/{wildcards.dataset}.yaml")
    return path if path.exists() else []


def taxonomy_parents_of(wildcards):
    """The paper's table of parents, where it had one."""
    fetched = SCALE.name == "paper" and wildcards.dataset == "cub"
    return f"data/sources/{wildcards.dataset}/parents.txt" if fetched else []


def data_of(wildcards):
    """The prepared data set that a training waits for."""
    dataset = wildcards.dataset
    manifest = Path("data") / dataset / "manifest.json"
    due = is_due(manifest, [f"params/datasets/{dataset}.yaml"], trace=manifest.parent)
    return needed_by(wildcards, str(manifest), due)


def label_levels_of(wildcards):
    """The taxonomy that a training waits for."""
    taxonomy = taxonomy_of(wildcards)
    if not taxonomy:
        return []
    sources = [
        f"params/datasets/{wildcards.dataset}.yaml",
        taxonomy_rules_of(wildcards),
    ]
    log = Path(taxonomy).with_suffix(".log")
    return needed_by(
        wildcards, taxonomy, is_due(Path(taxonomy), filter(None, sources), log)
    )


def is_due(made, sources, trace):
    """Whether an input of trainings will be made again: a source is newer, or making it failed.

    A failed job leaves a trace and no file; where there is neither, as in a clone, nothing is due.
    """
    if not made.exists():
        return Path(trace).exists()
    return any(Path(f).stat().st_mtime > made.stat().st_mtime for f in sources)


def needed_by(wildcards, file, due):
    """An input of a training: none if the training is current and the input will stay as it is.

    So nothing upstream of a current training makes it run again. One that is not current runs
    whatever Snakemake's records say.
    """
    run, seed = f"{wildcards.dataset}/{wildcards.run}", int(wildcards.seed)
    metrics = str(training_folder(RESULTS, run, seed) / METRICS)
    if reasons_to_train(SCALE, run, seed):
        workflow.dag.forcefiles.add(metrics)
    rules_to_force = {forced.name for forced in workflow.dag.forcerules}
    forced = metrics in workflow.dag.forcefiles or "train" in rules_to_force
    return file if forced or due else []


def why_to_train(wildcards):
    """What a dry run says of a training; Snakemake itself says that it is forced."""
    run = f"{wildcards.dataset}/{wildcards.run}"
    reasons = reasons_to_train(SCALE, run, int(wildcards.seed))
    return ", ".join(reasons) or "asked for, or its data are prepared again"


def taxonomies():
    """Data sets whose taxonomy is plotted: those of hierarchical runs, and CUB, whose tree is claimed."""
    hierarchical = {
        name
        for name, dataset in SCALE.datasets.items()
        if any(run.hierarchy for run in dataset.runs.values())
    }
    return sorted(hierarchical | {"cub"})


def timed():
    """The folders of what is timed: the leading figure's lines, trained with the first seed."""
    if SCALE.leading is None:
        return []
    figure = SCALE.figures[SCALE.leading]
    return [
        training_folder(RESULTS, f"{figure.dataset}/{run}", SCALE.seeds[0])
        for run in figure.lines
    ]


def required(files):
    """Input files, each of which is made if it is missing behind a finished figure.

    Snakemake looks only at what was asked for and what feeds a job that runs. And it records a
    failed job as done (its issue 3808), so that the next run would find nothing to do.
    """
    workflow.dag.forcefiles.update(
        str(file) for file in files if not Path(file).exists()
    )
    return files


def source_of(dataset):
    """The option that names a data set's folder, if it has one."""
    folder = config["sources"].get(dataset)
    return f"--source {quote(folder)}" if folder else ""
