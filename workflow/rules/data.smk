# Data: pictures on disk -> results/images/{dataset}.csv (label, image, path, target).
# The digits become a folder of pictures like any other dataset.


rule digits:
    output:
        train=directory("results/data/digits/train"),
        test=directory("results/data/digits/test"),
    input:
        library=library("digits"),
    params:
        train_images=1200,
        seed=SEED,
    log:
        "results/logs/digits.log",
    conda:
        "../../envs/cpu.yaml"
    script:
        "../scripts/digits.py"


rule sample:
    input:
        library=library("sample"),
        made=lambda wildcards: made_by_workflow(wildcards.dataset),
    output:
        images="results/images/{dataset}.csv",
        skipped="results/images/{dataset}.skipped.csv",
    params:
        dataset=lambda wildcards: DATASETS[wildcards.dataset],
        seed=SEED,
    log:
        "results/logs/sample/{dataset}.log",
    conda:
        "../../envs/cpu.yaml"
    script:
        "../scripts/sample.py"


localrules:
    digits,
    sample,
