# Images: pictures on disk -> results/images/{dataset}.csv (label, image, path, target, width, height, of shards the place in
# them). What only sampling tells, how many there are, is held against the study: -> results/check_sample/{dataset}.json.
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
        unpack(settled("results/images/{dataset}.csv", listing=look.listing)),
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
        # Not params: another list of classes or another model makes no list of images again.
        listed=look.listed,
        resize=look.largest_resize,
    params:
        code=code("images/sample"),
        dataset=look.dataset,
        seed=SEED,
    script:
        "../scripts/images/sample.py"


imports.closure(source("images/check_sample.py"), source)  # of a job without the param `code`


rule check_sample:
    input:
        unpack(settled("results/check_sample/{dataset}.json", images="results/images/{dataset}.csv")),
        judged=look.judged_by,
    output:
        found="results/check_sample/{dataset}.json",
    log:
        "results/logs/check_sample/{dataset}.log",
    priority: 100  # before any training
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
        asked=look.asked_of_sample,  # not params, nor is the code one: another study or sentence makes no tokens again
    script:
        "../scripts/images/check_sample.py"
