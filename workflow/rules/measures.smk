# Measures: tokens -> results/measures/{measure}/{model}/{dataset}/{perturbation}.csv, tidy, one row an observation.
# Each rule alone; none reads another's. Image quality reads pixels.

for dataset in DATASETS:

    rule:
        name: f"accuracy_{dataset}"
        output:
            measure=f"results/measures/accuracy/{{model}}/{dataset}/{{perturbation}}.csv",
        input:
            library=library("accuracy"),
            tokens=tokens_of(dataset),
        params:
            classes=DATASETS[dataset]["classes"],
            labels=DATASETS[dataset]["labels"],
            among=CONFIG["analysis"]["among"],
            config_hash=hash_of(dataset),
        log:
            f"results/logs/accuracy/{{model}}/{dataset}/{{perturbation}}.log",
        resources:
            mem_mb=2000,
            runtime=10,
        conda:
            "../../envs/cpu.yaml"
        script:
            "../scripts/accuracy.py"

    rule:
        name: f"alignment_{dataset}"
        output:
            measure=f"results/measures/alignment/{{model}}/{dataset}/{{perturbation}}.csv",
        input:
            library=library("alignment"),
            clean=clean_tokens_of(dataset),
            perturbed=tokens_of(dataset),
        params:
            classes=DATASETS[dataset]["classes"],
            labels=DATASETS[dataset]["labels"],
            among=CONFIG["analysis"]["among"],
            clean_hash=hash_of(dataset, "clean"),
            config_hash=hash_of(dataset),
        log:
            f"results/logs/alignment/{{model}}/{dataset}/{{perturbation}}.log",
        resources:
            mem_mb=4000,
            runtime=30,
        conda:
            "../../envs/cpu.yaml"
        script:
            "../scripts/alignment.py"


rule quality:
    output:
        measure="results/measures/quality/{dataset}/{perturbation}.csv",
    input:
        library=library("quality"),
        images="results/images/{dataset}.csv",
    params:
        preprocessing=lambda wildcards: MODELS[STUDY["finetuned"][0]]["preprocessing"],
        perturbation=lambda wildcards: PERTURBATIONS[wildcards.perturbation],
        dataset="{dataset}",
        seed=SEED,
    log:
        "results/logs/quality/{dataset}/{perturbation}.log",
    resources:
        mem_mb=4000,
        runtime=60,
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/quality.py"
