# Beyond the paper: measures of the field on the same tokens -> results/measures/..., and a figure of each.
# All of clean images, and of the models that study.compared names; CKA of blurred and occluded ones as well.

ON_EVERY_PATCH = [model for model in MODELS if stores_patches(model, "clean")]  # what clean images' patches say is kept
SEEN_WHOLE = [model for model in COMPARED if model in ON_EVERY_PATCH]

# What CKA compares: clean images of two models, or of one with itself; perturbed images of a model with its clean ones.
ALIKE = [(a, "clean", b) for number, a in enumerate(COMPARED) for b in COMPARED[: number + 1]]
ALIKE += [(model, name, model) for model in STUDY["finetuned"] for name in (STUDY["blur"], STUDY["occlusion"][0])]


for dataset in DATASETS:

    rule:
        name:
            f"cka_{dataset}"
        input:
            library=library("cka"),
            tokens=tokens_of(dataset),
            other=lambda wildcards, paths=clean_tokens_of(dataset): expand(paths, model=wildcards.other),
        output:
            measure=f"results/measures/cka/{{model}}/{dataset}/{{perturbation}}/{{other}}.csv",
        log:
            f"results/logs/cka/{{model}}/{dataset}/{{perturbation}}/{{other}}.log",
        wildcard_constraints:
            other="|".join(MODELS),
        group:
            "measures_{model}"
        conda:
            "../../envs/cpu.yaml"
        resources:
            mem_mb=comparing_mb,
            runtime=measuring_minutes,
        params:
            labels=DATASETS[dataset]["labels"],
            config_hash=hash_of(dataset),
            other_hash=lambda wildcards, dataset=dataset: config_hash(wildcards.other, dataset, "clean"),
        script:
            "../scripts/cka.py"

    rule:
        name:
            f"effective_rank_{dataset}"
        input:
            library=library("effective_rank"),
            tokens=tokens_of(dataset),
        output:
            measure=f"results/measures/effective_rank/{{model}}/{dataset}/{{perturbation}}.csv",
        log:
            f"results/logs/effective_rank/{{model}}/{dataset}/{{perturbation}}.log",
        group:
            "measures_{model}"
        conda:
            "../../envs/cpu.yaml"
        resources:
            mem_mb=measuring_mb,
            runtime=measuring_minutes,
        params:
            labels=DATASETS[dataset]["labels"],
            seed=SEED,
            config_hash=hash_of(dataset),
        script:
            "../scripts/effective_rank.py"

    rule:
        name:
            f"spectrum_{dataset}"
        input:
            library=library("spectrum"),
            tokens=tokens_of(dataset),
        output:
            measure=f"results/measures/spectrum/{{model}}/{dataset}/{{perturbation}}.csv",
        log:
            f"results/logs/spectrum/{{model}}/{dataset}/{{perturbation}}.log",
        wildcard_constraints:
            model="|".join(ON_EVERY_PATCH) or "(?!)",
            perturbation="clean",
        group:
            "measures_{model}"
        conda:
            "../../envs/cpu.yaml"
        resources:
            mem_mb=measuring_mb,
            runtime=measuring_minutes,
        params:
            labels=DATASETS[dataset]["labels"],
            config_hash=hash_of(dataset),
        script:
            "../scripts/spectrum.py"

    rule:
        name:
            f"class_attention_{dataset}"
        input:
            library=library("class_attention"),
            tokens=tokens_of(dataset),
        output:
            measure=f"results/measures/class_attention/{{model}}/{dataset}/{{perturbation}}.csv",
        log:
            f"results/logs/class_attention/{{model}}/{dataset}/{{perturbation}}.log",
        wildcard_constraints:
            model="|".join(ON_EVERY_PATCH) or "(?!)",
            perturbation="clean",
        group:
            "measures_{model}"
        conda:
            "../../envs/cpu.yaml"
        resources:
            mem_mb=measuring_mb,
            runtime=measuring_minutes,
        params:
            labels=DATASETS[dataset]["labels"],
            config_hash=hash_of(dataset),
        script:
            "../scripts/class_attention.py"


rule figure_cka:
    input:
        library=library("figure_cka"),
        measures=lambda wildcards: [
            f"results/measures/cka/{model}/{STUDY['dataset']}/{name}/{other}.csv"
            for model, name, other in (at_least(1, "compared") and ALIKE)
        ],
    output:
        pdf=f"{RESULTS}/figures/figure_cka.pdf",
        png=report(
            f"{RESULTS}/figures/figure_cka.png",
            caption="../report/figure_cka.rst",
            category="Beyond the paper",
            labels={"figure": "–", "what": "linear CKA of layers, of models, of clean and perturbed images"},
        ),
        numbers=f"{RESULTS}/figures/figure_cka.csv",
    log:
        "results/logs/figure_cka.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        compared=ALIKE,
    script:
        "../scripts/figure_cka.py"


rule figure_models:
    input:
        library=library("figure_models"),
        measures=beyond("separation", COMPARED),
    output:
        pdf=f"{RESULTS}/figures/figure_models.pdf",
        png=report(
            f"{RESULTS}/figures/figure_models.png",
            caption="../report/figure_models.rst",
            category="Beyond the paper",
            labels={"figure": "–", "what": "how well classes separate by layer, models side by side"},
        ),
        numbers=f"{RESULTS}/figures/figure_models.csv",
    log:
        "results/logs/figure_models.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        models=COMPARED,
    script:
        "../scripts/figure_models.py"


rule figure_rank:
    input:
        library=library("figure_rank"),
        measures=beyond("effective_rank", COMPARED),
    output:
        pdf=f"{RESULTS}/figures/figure_rank.pdf",
        png=report(
            f"{RESULTS}/figures/figure_rank.png",
            caption="../report/figure_rank.rst",
            category="Beyond the paper",
            labels={"figure": "–", "what": "effective rank of embeddings by layer"},
        ),
        numbers=f"{RESULTS}/figures/figure_rank.csv",
    log:
        "results/logs/figure_rank.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        models=COMPARED,
    script:
        "../scripts/figure_rank.py"


rule figure_spectrum:
    input:
        library=library("figure_spectrum"),
        measures=beyond("spectrum", SEEN_WHOLE),
    output:
        pdf=f"{RESULTS}/figures/figure_spectrum.pdf",
        png=report(
            f"{RESULTS}/figures/figure_spectrum.png",
            caption="../report/figure_spectrum.rst",
            category="Beyond the paper",
            labels={"figure": "–", "what": "spatial frequencies of patch tokens by layer"},
        ),
        numbers=f"{RESULTS}/figures/figure_spectrum.csv",
    log:
        "results/logs/figure_spectrum.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        models=SEEN_WHOLE,
    script:
        "../scripts/figure_spectrum.py"


rule figure_heads:
    input:
        library=library("figure_heads"),
        measures=beyond("attention", COMPARED),
    output:
        pdf=f"{RESULTS}/figures/figure_heads.pdf",
        png=report(
            f"{RESULTS}/figures/figure_heads.png",
            caption="../report/figure_heads.rst",
            category="Beyond the paper",
            labels={"figure": "–", "what": "entropy and mutual information of attention"},
        ),
        numbers=f"{RESULTS}/figures/figure_heads.csv",
    log:
        "results/logs/figure_heads.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        models=COMPARED,
    script:
        "../scripts/figure_heads.py"


rule figure_class_attention:
    input:
        library=library("figure_class_attention"),
        measures=beyond("class_attention", SEEN_WHOLE),
    output:
        pdf=f"{RESULTS}/figures/figure_class_attention.pdf",
        png=report(
            f"{RESULTS}/figures/figure_class_attention.png",
            caption="../report/figure_class_attention.rst",
            category="Beyond the paper",
            labels={"figure": "–", "what": "what the CLS token of each head looks at"},
        ),
        numbers=f"{RESULTS}/figures/figure_class_attention.csv",
    log:
        "results/logs/figure_class_attention.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        models=SEEN_WHOLE,
    script:
        "../scripts/figure_class_attention.py"


rule table_models:
    input:
        library=library("table_models"),
        accuracy=lambda wildcards: [
            f"results/measures/accuracy/{model}/{STUDY['dataset']}/{name}.csv" for model, name in judged()
        ],
    output:
        **tables("table_models"),
        html=report(
            f"{RESULTS}/tables/table_models.html",
            caption="../report/table_models.rst",
            category="Beyond the paper",
            labels={"figure": "Models", "what": "paired tests between models on the same images"},
        ),
    log:
        "results/logs/table_models.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        judged=lambda wildcards: judged(),
        choices=CHOICES,
        intervals=INTERVALS,
    script:
        "../scripts/table_models.py"


BEYOND = [
    *(rules.figure_cka.output if COMPARED else []),
    *(rules.figure_models.output if COMPARED else []),
    *(rules.figure_rank.output if COMPARED else []),
    *(rules.figure_spectrum.output if SEEN_WHOLE else []),
    *(rules.figure_heads.output if COMPARED else []),
    *(rules.figure_class_attention.output if SEEN_WHOLE else []),
    *(rules.table_models.output if len(STUDY["finetuned"]) > 1 else []),
]
