# Measures: tokens -> results/measures/{measure}/{model}/{dataset}/{perturbation}.csv, tidy, one row an observation.
# Each rule alone; none reads another's. Image quality reads pixels.

for dataset in DATASETS:

    rule:
        name:
            f"accuracy_{dataset}"
        input:
            library=library("accuracy"),
            tokens=tokens_of(dataset),
        output:
            measure=f"results/measures/accuracy/{{model}}/{dataset}/{{perturbation}}.csv",
        log:
            f"results/logs/accuracy/{{model}}/{dataset}/{{perturbation}}.log",
        conda:
            "../../envs/cpu.yaml"
        resources:
            mem_mb=2000,
            runtime=10,
        params:
            classes=DATASETS[dataset]["classes"],
            labels=DATASETS[dataset]["labels"],
            among=CONFIG["analysis"]["among"],
            config_hash=hash_of(dataset),
        script:
            "../scripts/accuracy.py"

    rule:
        name:
            f"alignment_{dataset}"
        input:
            library=library("alignment"),
            clean=clean_tokens_of(dataset),
            perturbed=tokens_of(dataset),
        output:
            measure=f"results/measures/alignment/{{model}}/{dataset}/{{perturbation}}.csv",
        log:
            f"results/logs/alignment/{{model}}/{dataset}/{{perturbation}}.log",
        conda:
            "../../envs/cpu.yaml"
        resources:
            mem_mb=4000,
            runtime=30,
        params:
            classes=DATASETS[dataset]["classes"],
            labels=DATASETS[dataset]["labels"],
            among=CONFIG["analysis"]["among"],
            clean_hash=hash_of(dataset, "clean"),
            config_hash=hash_of(dataset),
        script:
            "../scripts/alignment.py"

    rule:
        name:
            f"features_{dataset}"
        input:
            library=library("features"),
            clean=clean_tokens_of(dataset),
            perturbed=tokens_of(dataset),
        output:
            measure=f"results/measures/features/{{model}}/{dataset}/{{perturbation}}.csv",
        log:
            f"results/logs/features/{{model}}/{dataset}/{{perturbation}}.log",
        conda:
            "../../envs/cpu.yaml"
        resources:
            mem_mb=4000,
            runtime=30,
        params:
            labels=DATASETS[dataset]["labels"],
            features=CONFIG["analysis"]["features"],
            seed=SEED,
            clean_hash=hash_of(dataset, "clean"),
            config_hash=hash_of(dataset),
        script:
            "../scripts/features.py"

    rule:
        name:
            f"shift_{dataset}"
        input:
            library=library("shift"),
            tokens=tokens_of(dataset),
        output:
            measure=f"results/measures/shift/{{model}}/{dataset}/{{perturbation}}.csv",
        log:
            f"results/logs/shift/{{model}}/{dataset}/{{perturbation}}.log",
        conda:
            "../../envs/cpu.yaml"
        resources:
            mem_mb=2000,
            runtime=10,
        params:
            classes=DATASETS[dataset]["classes"],
            labels=DATASETS[dataset]["labels"],
            config_hash=hash_of(dataset),
        script:
            "../scripts/shift.py"


rule quality:
    input:
        library=library("quality"),
        images="results/images/{dataset}.csv",
    output:
        measure="results/measures/quality/{dataset}/{perturbation}.csv",
    log:
        "results/logs/quality/{dataset}/{perturbation}.log",
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        preprocessing=lambda wildcards: MODELS[STUDY["finetuned"][0]]["preprocessing"],
        perturbation=lambda wildcards: PERTURBATIONS[wildcards.perturbation],
        dataset="{dataset}",
        seed=SEED,
    script:
        "../scripts/quality.py"
