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
        wildcard_constraints:
            model=with_head(),
        group:
            "measures_{model}"
        conda:
            "../../envs/cpu.yaml"
        resources:
            mem_mb=measuring_mb,
            runtime=measuring_minutes,
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
        wildcard_constraints:
            model=with_head(),
        group:
            "measures_{model}"
        conda:
            "../../envs/cpu.yaml"
        resources:
            mem_mb=measuring_mb,
            runtime=measuring_minutes,
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
            f"tsne_{dataset}"
        input:
            library=library("tsne"),
            tokens=tokens_of(dataset, shown(dataset)),
        output:
            measure=f"results/measures/tsne/{{model}}/{dataset}/{{perturbation}}.csv",
        log:
            f"results/logs/tsne/{{model}}/{dataset}/{{perturbation}}.log",
        conda:
            "../../envs/cpu.yaml"
        threads: 12  # layers side by side, one thread each
        resources:
            mem_mb=measuring_mb,
            runtime=measuring_minutes,
        params:
            labels=shown(dataset),
            images=STUDY["tsne"]["images"],
            perplexity=CONFIG["analysis"]["perplexity"],
            seed=SEED,
            config_hash=hash_of(dataset),
        script:
            "../scripts/tsne.py"

    rule:
        name:
            f"separation_{dataset}"
        input:
            library=library("separation"),
            tokens=tokens_of(dataset),
        output:
            measure=f"results/measures/separation/{{model}}/{dataset}/{{perturbation}}.csv",
        log:
            f"results/logs/separation/{{model}}/{dataset}/{{perturbation}}.log",
        conda:
            "../../envs/cpu.yaml"
        resources:
            mem_mb=distances_mb(dataset),
            runtime=measuring_minutes,
        params:
            labels=DATASETS[dataset]["labels"],
            shown=shown(dataset),
            patch=lambda wildcards: (wildcards.model, wildcards.perturbation) == (STUDY["pretrained"], STUDY["mask"]),
            images=STUDY["tsne"]["images"],
            probes={key: CONFIG["analysis"][key] for key in ("neighbours", "folds")} | {"seed": SEED},
            config_hash=hash_of(dataset),
        script:
            "../scripts/separation.py"

    rule:
        name:
            f"attention_{dataset}"
        input:
            library=library("attention"),
            tokens=tokens_of(dataset),
        output:
            measure=f"results/measures/attention/{{model}}/{dataset}/{{perturbation}}.csv",
        log:
            f"results/logs/attention/{{model}}/{dataset}/{{perturbation}}.log",
        wildcard_constraints:
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
            crop=lambda wildcards: MODELS[wildcards.model]["preprocessing"]["crop"],
            config_hash=hash_of(dataset),
        script:
            "../scripts/attention.py"

    rule:
        name:
            f"subspace_{dataset}"
        input:
            library=library("subspace"),
            tokens=tokens_of(dataset),
        output:
            bases=f"results/subspaces/{{model}}/{dataset}/{{perturbation}}.npz",
            singular_values=f"results/measures/singular_values/{{model}}/{dataset}/{{perturbation}}.csv",
        log:
            f"results/logs/subspace/{{model}}/{dataset}/{{perturbation}}.log",
        conda:
            "../../envs/cpu.yaml"
        resources:
            mem_mb=measuring_mb,
            runtime=measuring_minutes,
        params:
            labels=DATASETS[dataset]["labels"],
            k=CONFIG["analysis"]["subspace"]["k"],
            centring=CONFIG["analysis"]["subspace"]["centring"],
            config_hash=hash_of(dataset),
        script:
            "../scripts/subspace.py"

    rule:
        name:
            f"principal_angles_{dataset}"
        input:
            library=library("principal_angles"),
            bases=f"results/subspaces/{{model}}/{dataset}/{{perturbation}}.npz",
        output:
            measure=f"results/measures/angles/{{model}}/{dataset}/{{perturbation}}.csv",
        log:
            f"results/logs/principal_angles/{{model}}/{dataset}/{{perturbation}}.log",
        conda:
            "../../envs/cpu.yaml"
        resources:
            mem_mb=angles_mb(dataset, lambda wildcards: CONFIG["analysis"]["subspace"]["k"]),
            runtime=measuring_minutes,
        params:
            labels=DATASETS[dataset]["labels"],
            draws=25,
            seed=SEED,
        script:
            "../scripts/principal_angles.py"

    rule:
        name:
            f"mask_invariance_{dataset}"
        input:
            library=library("mask_invariance"),
            tokens=tokens_of(dataset),
        output:
            measure=f"results/measures/mask_invariance/{{model}}/{dataset}/{{perturbation}}.csv",
        log:
            f"results/logs/mask_invariance/{{model}}/{dataset}/{{perturbation}}.log",
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
            "../scripts/mask_invariance.py"

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
        group:
            "measures_{model}"
        conda:
            "../../envs/cpu.yaml"
        resources:
            mem_mb=measuring_mb,
            runtime=measuring_minutes,
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
        wildcard_constraints:
            model=with_head(),
        group:
            "measures_{model}"
        conda:
            "../../envs/cpu.yaml"
        resources:
            mem_mb=measuring_mb,
            runtime=measuring_minutes,
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
    wildcard_constraints:
        perturbation=of_kind("blur"),
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: attempt * round(20 + images_asked(wildcards.dataset) / 100),
    params:
        preprocessing=MODELS[STUDY["finetuned"][0]]["preprocessing"],
        perturbation=lambda wildcards: PERTURBATIONS[wildcards.perturbation],
        dataset="{dataset}",
        seed=SEED,
    script:
        "../scripts/quality.py"
