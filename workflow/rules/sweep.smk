# Sweep over mask ratios and patch sizes (Kong et al.): measures of all of study.sweep's models, gathered in
# results/{study}/sweep.csv -> figure_sweep, figure_sweep_layers, table_sweep, sweep_claims. The target `sweep` is all of it.


for dataset in DATASETS:

    rule:
        name:
            f"reconstruction_error_{dataset}"
        input:
            library=library("reconstruction_error"),
            images=images_of(dataset),
            weights=lambda wildcards: weights_of(wildcards.model),
        output:
            measure=f"results/measures/reconstruction_error/{{model}}/{dataset}/{{perturbation}}.csv",
        log:
            f"results/logs/reconstruction_error/{{model}}/{dataset}/{{perturbation}}.log",
        wildcard_constraints:
            model="|".join(PRETRAINED_HERE) or "(?!)",
            perturbation=of_kind("mask"),
        group:
            "measures_{model}"
        conda:
            "../../envs/torch.yaml"
        resources:
            mem_mb=lambda wildcards, attempt: 4000 * attempt,
            runtime=extraction_minutes(dataset),
        params:
            model=lambda wildcards: architecture_of(wildcards.model),
            decoder=lambda wildcards: MODELS[wildcards.model]["training"]["decoder"],
            perturbation=lambda wildcards: PERTURBATIONS[wildcards.perturbation],
            low_frequencies=CONFIG["analysis"]["low_frequencies"],
            batch_size=50,
            dataset=dataset,
            seed=SEED,
        script:
            "../scripts/reconstruction_error.py"


rule sweep_runs:
    input:
        library=library("sweep_runs"),
        unmasked=of_sweep("separation", perturbation="clean"),
        masked=of_sweep("separation"),
        angles=of_sweep("angles"),
        rebuilt=of_sweep("reconstruction_error", DECODED),
        accuracy=lambda wildcards: [
            f"results/measures/accuracy/{one['model']}/{STUDY['dataset']}/{one['perturbation']}.csv"
            for one in judged_in_sweep()
        ],
    output:
        runs=f"{RESULTS}/sweep.csv",
    log:
        "results/logs/sweep_runs.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        models=[{key: one[key] for key in ("model", "ratio", "patch")} for one in SWEPT + TUNED],
        pretrained=[one["model"] for one in SWEPT],
        rebuilt=[one["model"] for one in DECODED],
        conditions=lambda wildcards: {
            key: [one[key] for one in judged_in_sweep()] for key in ("model", "perturbation", "family")
        },
    script:
        "../scripts/sweep_runs.py"


rule figure_sweep:
    input:
        library=library("figure_sweep"),
        runs=rules.sweep_runs.output.runs,
    output:
        pdf=f"{RESULTS}/figures/figure_sweep.pdf",
        png=report(
            f"{RESULTS}/figures/figure_sweep.png",
            caption="../report/figure_sweep.rst",
            category="Sweep",
            labels={"figure": "–", "what": "measures against mask ratio and patch size"},
        ),
        numbers=f"{RESULTS}/figures/figure_sweep.csv",
    log:
        "results/logs/figure_sweep.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        chance=1 / len(DATASETS[STUDY["dataset"]]["labels"]),
        top_1=1 / CHOICES,
        confidence=CONFIG["analysis"]["confidence"],
    script:
        "../scripts/figure_sweep.py"


rule figure_sweep_layers:
    input:
        library=library("figure_sweep_layers"),
        runs=rules.sweep_runs.output.runs,
    output:
        pdf=f"{RESULTS}/figures/figure_sweep_layers.pdf",
        png=report(
            f"{RESULTS}/figures/figure_sweep_layers.png",
            caption="../report/figure_sweep_layers.rst",
            category="Sweep",
            labels={"figure": "–", "what": "linear probe by layer, of each ratio and patch size"},
        ),
        numbers=f"{RESULTS}/figures/figure_sweep_layers.csv",
    log:
        "results/logs/figure_sweep_layers.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        chance=1 / len(DATASETS[STUDY["dataset"]]["labels"]),
    script:
        "../scripts/figure_sweep_layers.py"


rule table_sweep:
    input:
        library=library("table_sweep"),
        runs=rules.sweep_runs.output.runs,
    output:
        **tables("table_sweep"),
        html=report(
            f"{RESULTS}/tables/table_sweep.html",
            caption="../report/table_sweep.rst",
            category="Sweep",
            labels={"figure": "Sweep", "what": "measures of every setting, with intervals over seeds"},
        ),
    log:
        "results/logs/table_sweep.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        images=DATASETS[STUDY["dataset"]]["count"],
        classes=len(DATASETS[STUDY["dataset"]]["labels"]),
        confidence=CONFIG["analysis"]["confidence"],
    script:
        "../scripts/table_sweep.py"


rule sweep_claims:
    input:
        library=library("sweep_claims"),
        runs=rules.sweep_runs.output.runs,
    output:
        **tables("sweep_claims"),
        html=report(
            f"{RESULTS}/tables/sweep_claims.html",
            caption="../report/sweep_claims.rst",
            category="Sweep",
            labels={"figure": "Sweep", "what": "whether intermediate ratios and patch sizes give more"},
        ),
    log:
        "results/logs/sweep_claims.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        confidence=CONFIG["analysis"]["confidence"],
    script:
        "../scripts/sweep_claims.py"


SWEEP = [
    *rules.figure_sweep.output,
    *rules.figure_sweep_layers.output,
    *rules.table_sweep.output,
    *rules.sweep_claims.output,
    *(rules.training_curves.output if TRAINED else []),
]


rule sweep:
    input:
        lambda wildcards: SWEEP if STUDY["sweep"] else named("sweep"),
    localrule: True
