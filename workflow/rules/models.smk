# Models that the workflow trains: images -> results/models/{model}.safetensors and its loss by epoch.
# A model with weights elsewhere needs no rule, its file is read as it is; `download` fetches it where asked to.


rule download:
    log:
        "results/logs/download.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/torch.yaml"
    resources:
        login=1,
    params:
        code=code("models/download"),
        models=look.downloads(),
    script:
        "../scripts/models/download.py"


rule pretrain:
    input:
        unpack(
            settled(
                "results/models/{model}.safetensors", images=look.training_images, validation=look.validation_images
            )
        ),
    output:
        weights="results/models/{model}.safetensors",
        loss="results/models/{model}.loss.csv",
    log:
        "results/logs/pretrain/{model}.log",
    benchmark:
        "results/benchmarks/pretrain/{model}.tsv"
    wildcard_constraints:
        model=lookups.pattern(look.trained_by("pretrain")),
    priority: 50  # most of a study waits for it
    retries: ask.retries(look.trained_by("pretrain"))
    conda:
        "../../envs/torch.yaml"
    threads: look.threads
    resources:
        run=look.training_run,  # not params: it makes nothing again
        gpu=ask.training_gpu,
        gres=ask.training_gres,
        mem_mb=ask.training_mb,
        runtime=ask.training_minutes,
    params:
        code=code("models/pretrain"),
        model=look.architecture,
        training=look.training,
    script:
        "../scripts/models/pretrain.py"


rule finetune:
    input:
        unpack(
            settled(
                "results/models/{model}.safetensors",
                images=look.training_images,
                validation=look.validation_images,
                initial=look.initial,
            )
        ),
    output:
        weights="results/models/{model}.safetensors",
        loss="results/models/{model}.loss.csv",
    log:
        "results/logs/finetune/{model}.log",
    benchmark:
        "results/benchmarks/finetune/{model}.tsv"
    wildcard_constraints:
        model=lookups.pattern(look.trained_by("finetune")),
    priority: 50  # most of a study waits for it
    retries: ask.retries(look.trained_by("finetune"))
    conda:
        "../../envs/torch.yaml"
    threads: look.threads
    resources:
        run=look.training_run,  # not params: they make nothing again
        initial_sha256=look.initial_sha256,
        gpu=ask.training_gpu,
        gres=ask.training_gres,
        mem_mb=ask.training_mb,
        runtime=ask.training_minutes,
    params:
        code=code("models/finetune"),
        initial_key=look.initial_key,
        model=look.architecture,
        training=look.training,
    script:
        "../scripts/models/finetune.py"


use rule finetune as train_scratch with:
    input:
        unpack(
            settled(
                "results/models/{model}.safetensors", images=look.training_images, validation=look.validation_images
            )
        ),
    log:
        "results/logs/train_scratch/{model}.log",
    benchmark:
        "results/benchmarks/train_scratch/{model}.tsv"
    wildcard_constraints:
        model=lookups.pattern(look.trained_by("scratch")),
    retries: ask.retries(look.trained_by("scratch"))


use rule finetune as linear_probe with:
    log:
        "results/logs/linear_probe/{model}.log",
    benchmark:
        "results/benchmarks/linear_probe/{model}.tsv"
    wildcard_constraints:
        model=lookups.pattern(look.trained_by("probe")),
    retries: ask.retries(look.trained_by("probe"))
