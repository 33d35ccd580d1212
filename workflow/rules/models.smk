# Models that the workflow trains: images -> results/models/{model}.safetensors and its loss by epoch.
# A model with weights elsewhere needs no rule: its file is read as it is.


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
        mem_mb=4000,
        runtime=60,
    params:
        model=lambda wildcards: architecture_of(wildcards.model),
        training=lambda wildcards: MODELS[wildcards.model]["training"],
        seed=SEED,
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
        mem_mb=4000,
        runtime=60,
    params:
        model=lambda wildcards: architecture_of(wildcards.model),
        training=lambda wildcards: MODELS[wildcards.model]["training"],
        seed=SEED,
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
        mem_mb=4000,
        runtime=60,
    params:
        model=lambda wildcards: architecture_of(wildcards.model),
        training=lambda wildcards: MODELS[wildcards.model]["training"],
        seed=SEED,
    script:
        "../scripts/train_scratch.py"
