# Models that the workflow trains: images -> results/models/{model}.safetensors and its loss by epoch.
# A model with weights elsewhere needs no rule: its file is read as it is.


rule pretrain:
    output:
        weights="results/models/{model}.safetensors",
        loss="results/models/{model}.loss.csv",
    input:
        library=library("pretrain"),
        images=lambda wildcards: images_of(MODELS[wildcards.model]["training"]["dataset"]),
    params:
        model=lambda wildcards: architecture_of(wildcards.model),
        training=lambda wildcards: MODELS[wildcards.model]["training"],
        seed=SEED,
    wildcard_constraints:
        model=trained_as("pretrain"),
    threads: lambda wildcards: MODELS[wildcards.model]["threads"]
    resources:
        mem_mb=4000,
        runtime=60,
    log:
        "results/logs/pretrain/{model}.log",
    benchmark:
        "results/benchmarks/pretrain/{model}.tsv"
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/pretrain.py"


rule finetune:
    output:
        weights="results/models/{model}.safetensors",
        loss="results/models/{model}.loss.csv",
    input:
        library=library("finetune"),
        images=lambda wildcards: images_of(MODELS[wildcards.model]["training"]["dataset"]),
        initial=lambda wildcards: weights_of(MODELS[wildcards.model]["training"]["initial"]),
    params:
        model=lambda wildcards: architecture_of(wildcards.model),
        training=lambda wildcards: MODELS[wildcards.model]["training"],
        seed=SEED,
    wildcard_constraints:
        model=trained_as("finetune"),
    threads: lambda wildcards: MODELS[wildcards.model]["threads"]
    resources:
        mem_mb=4000,
        runtime=60,
    log:
        "results/logs/finetune/{model}.log",
    benchmark:
        "results/benchmarks/finetune/{model}.tsv"
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/finetune.py"


rule train_scratch:
    output:
        weights="results/models/{model}.safetensors",
        loss="results/models/{model}.loss.csv",
    input:
        library=library("train_scratch"),
        images=lambda wildcards: images_of(MODELS[wildcards.model]["training"]["dataset"]),
    params:
        model=lambda wildcards: architecture_of(wildcards.model),
        training=lambda wildcards: MODELS[wildcards.model]["training"],
        seed=SEED,
    wildcard_constraints:
        model=trained_as("scratch"),
    threads: lambda wildcards: MODELS[wildcards.model]["threads"]
    resources:
        mem_mb=4000,
        runtime=60,
    log:
        "results/logs/train_scratch/{model}.log",
    benchmark:
        "results/benchmarks/train_scratch/{model}.tsv"
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/train_scratch.py"
