# Tokens: images + weights -> results/tokens/{model}/{dataset}/{perturbation}/{label}.h5, the only stage with a GPU.
# One job per model, dataset and perturbation walks all levels and labels. Labels differ between datasets and outputs
# cannot be functions, so there is one rule per dataset.

for dataset in DATASETS:

    rule:
        name:
            f"extract_{dataset}"
        input:
            library=library("extract"),
            images=listed(dataset),
            weights=lambda wildcards: weights_of(wildcards.model),
            clean=rollout_of(dataset),
            checked=check_of,  # not ancient: Snakemake would then overlook other reasons
            labelled=check_of_labels(dataset),
        output:
            tokens=tokens_of(dataset),
        log:
            f"results/logs/extract/{{model}}/{dataset}/{{perturbation}}.log",
        benchmark:
            f"results/benchmarks/extract/{{model}}/{dataset}/{{perturbation}}.tsv"
        group:
            "tokens_{model}"
        conda:
            "../../envs/torch.yaml"
        threads: lambda wildcards: MODELS[wildcards.model]["threads"]
        resources:
            gpu=gpus,
            device=lambda wildcards: MODELS[wildcards.model]["device"],  # not params: they make nothing again
            batch_size=lambda wildcards: MODELS[wildcards.model]["batch_size"],
            sha256=lambda wildcards: MODELS[wildcards.model]["sha256"] or "any",
            mem_mb=extraction_mb,
            runtime=extraction_minutes(dataset),
        params:
            model=lambda wildcards: content_of(wildcards.model),
            patch=lambda wildcards: stores_patches(wildcards.model, wildcards.perturbation),
            perturbation=lambda wildcards: PERTURBATIONS[wildcards.perturbation],
            classes=DATASETS[dataset]["classes"],
            dataset=dataset,
            labels=DATASETS[dataset]["labels"],
            seed=SEED,
            options={},  # of the forward pass: conventions have some, see sensitivity.smk
            config_hash=hash_of(dataset),
            clean_hash=hash_of(dataset, "clean"),
        script:
            "../scripts/extract.py"
