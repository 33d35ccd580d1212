# Images: pictures on disk -> results/images/{dataset}.csv (label, image, path, target, width, height).
# The digits become a folder of pictures like any other dataset.


rule digits:
    output:
        train=directory("results/data/digits/train"),
        test=directory("results/data/digits/test"),
    log:
        "results/logs/digits.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("images/digits"),
        train_images=1200,
        seed=SEED,
    script:
        "../scripts/images/digits.py"


rule scenes:
    output:
        pictures=directory("results/data/scenes"),
    log:
        "results/logs/scenes.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("images/scenes"),
        tile=106,
    script:
        "../scripts/images/scenes.py"


rule sample:
    input:
        made=look.made,
    output:
        images="results/images/{dataset}.csv",
        skipped="results/images/{dataset}.skipped.csv",
    log:
        "results/logs/sample/{dataset}.log",
    conda:
        "../../envs/cpu.yaml"
    threads: 2
    resources:
        mem_mb=growing(2000),
        runtime=ask.sampling_minutes,
        resize=look.largest_resize,  # another model makes no list again
    params:
        code=code("images/sample"),
        dataset=look.dataset,
        seed=SEED,
    script:
        "../scripts/images/sample.py"
