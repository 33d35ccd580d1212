# Models that the workflow trains: images -> results/models/{model}.safetensors and its loss by epoch.
# A model with weights elsewhere needs no rule, its file is read as it is; `download` fetches it where asked to.
# Each model from elsewhere is checked before any long job: weights -> results/check_model/{model}.json, for all of its
# tokens; with a few images of a dataset -> results/check_labels/{model}/{dataset}.json, for those of that dataset.


rule check_model:
    input:
        library=library("check_model"),
        weights=lambda wildcards: weights_of(wildcards.model),
    output:
        found="results/check_model/{model}.json",
    log:
        "results/logs/check_model/{model}.log",
    priority: 100  # before any training
    conda:
        "../../envs/torch.yaml"
    threads: lambda wildcards: MODELS[wildcards.model]["threads"]
    resources:
        sha256=lambda wildcards: MODELS[wildcards.model]["sha256"] or "any",  # not params: it makes nothing again
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        model=lambda wildcards: content_of(wildcards.model),
        seed=SEED,
    script:
        "../scripts/check_model.py"


rule check_labels:
    input:
        library=library("check_labels"),
        weights=lambda wildcards: weights_of(wildcards.model),
        checked=check_of,
        images="results/images/{dataset}.csv",
    output:
        found="results/check_labels/{model}/{dataset}.json",
    log:
        "results/logs/check_labels/{model}/{dataset}.log",
    wildcard_constraints:
        model=with_head(),
    priority: 100
    conda:
        "../../envs/torch.yaml"
    threads: lambda wildcards: MODELS[wildcards.model]["threads"]
    resources:
        sha256=lambda wildcards: MODELS[wildcards.model]["sha256"] or "any",
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        model=lambda wildcards: content_of(wildcards.model),
        classes=lambda wildcards: DATASETS[wildcards.dataset]["classes"],
    script:
        "../scripts/check_labels.py"


rule download:
    input:
        library=library("download"),
    log:
        "results/logs/download.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/torch.yaml"
    resources:
        login=1,
    params:
        models={
            name: {key: model[key] for key in ("weights", "url", "sha256")}
            for name, model in MODELS.items()
            if name not in TRAINED
        },
    script:
        "../scripts/download.py"


rule pretrain:
    input:
        library=library("pretrain"),
        images=lambda wildcards: images_of(MODELS[wildcards.model]["training"]["dataset"]),
    output:
        weights="results/models/{model}.safetensors",
        loss="results/models/{model}.loss.csv",
    log:
        "results/logs/pretrain/{model}.log",
    benchmark:
        "results/benchmarks/pretrain/{model}.tsv"
    wildcard_constraints:
        model=trained_as("pretrain"),
    conda:
        "../../envs/torch.yaml"
    threads: lambda wildcards: MODELS[wildcards.model]["threads"]
    resources:
        mem_mb=training_mb,
        runtime=training_minutes,
    params:
        model=lambda wildcards: architecture_of(wildcards.model),
        training=lambda wildcards: MODELS[wildcards.model]["training"],
    script:
        "../scripts/pretrain.py"


rule finetune:
    input:
        library=library("finetune"),
        images=lambda wildcards: images_of(MODELS[wildcards.model]["training"]["dataset"]),
        initial=lambda wildcards: weights_of(MODELS[wildcards.model]["training"]["initial"]),
    output:
        weights="results/models/{model}.safetensors",
        loss="results/models/{model}.loss.csv",
    log:
        "results/logs/finetune/{model}.log",
    benchmark:
        "results/benchmarks/finetune/{model}.tsv"
    wildcard_constraints:
        model=trained_as("finetune"),
    conda:
        "../../envs/torch.yaml"
    threads: lambda wildcards: MODELS[wildcards.model]["threads"]
    resources:
        mem_mb=training_mb,
        runtime=training_minutes,
    params:
        model=lambda wildcards: architecture_of(wildcards.model),
        training=lambda wildcards: MODELS[wildcards.model]["training"],
    script:
        "../scripts/finetune.py"


rule train_scratch:
    input:
        library=library("train_scratch"),
        images=lambda wildcards: images_of(MODELS[wildcards.model]["training"]["dataset"]),
    output:
        weights="results/models/{model}.safetensors",
        loss="results/models/{model}.loss.csv",
    log:
        "results/logs/train_scratch/{model}.log",
    benchmark:
        "results/benchmarks/train_scratch/{model}.tsv"
    wildcard_constraints:
        model=trained_as("scratch"),
    conda:
        "../../envs/torch.yaml"
    threads: lambda wildcards: MODELS[wildcards.model]["threads"]
    resources:
        mem_mb=training_mb,
        runtime=training_minutes,
    params:
        model=lambda wildcards: architecture_of(wildcards.model),
        training=lambda wildcards: MODELS[wildcards.model]["training"],
    script:
        "../scripts/train_scratch.py"
