# Data: pictures on disk -> results/images/{dataset}.csv (label, image, path, target).
# The digits become a folder of pictures like any other dataset.


rule digits:
    input:
        library=library("digits"),
    output:
        train=directory("results/data/digits/train"),
        test=directory("results/data/digits/test"),
    log:
        "results/logs/digits.log",
    retries: 0
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        train_images=1200,
        seed=SEED,
    script:
        "../scripts/digits.py"


rule sample:
    input:
        library=library("sample"),
        made=lambda wildcards: made_by_workflow(wildcards.dataset),
    output:
        images="results/images/{dataset}.csv",
        skipped="results/images/{dataset}.skipped.csv",
    log:
        "results/logs/sample/{dataset}.log",
    conda:
        "../../envs/cpu.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: attempt * round(20 + images_asked(wildcards.dataset) / 1000),  # each is read
    params:
        dataset=lambda wildcards: DATASETS[wildcards.dataset],
        seed=SEED,
    script:
        "../scripts/sample.py"


rule scenes:
    input:
        library=library("scenes"),
    output:
        pictures=directory("results/data/scenes"),
    log:
        "results/logs/scenes.log",
    retries: 0
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        tile=106,
    script:
        "../scripts/scenes.py"


localrules:
    digits,
    scenes,
