# Tokens: images + weights -> results/tokens/{model}/{dataset}/{perturbation}/{label}.h5, the only stage with a GPU;
# {perturbation}.csv, which is written once all of them are there, lists what they say, and stands for them in all rules.
# Each model from elsewhere is checked before any long job: weights -> results/check_model/{model}.json, for all of its
# tokens; with a few images of a dataset -> results/check_labels/{model}/{dataset}.json, for those of that dataset.


rule check_model:
    input:
        unpack(settled("results/check_model/{model}.json", weights=look.weights)),
    output:
        found="results/check_model/{model}.json",
    log:
        "results/logs/check_model/{model}.log",
    priority: 100  # before any training
    conda:
        "../../envs/torch.yaml"
    threads: look.threads
    resources:
        sha256=look.sha256,  # not params: it makes nothing again
        mem_mb=growing(8000),
        runtime=growing(30),
    params:
        code=code("tokens/check_model"),
        model=look.content,
        seed=SEED,
    script:
        "../scripts/tokens/check_model.py"


rule check_labels:
    input:
        unpack(
            settled(
                "results/check_labels/{model}/{dataset}.json",
                weights=look.weights,
                images="results/images/{dataset}.csv",
            )
        ),
        checked=look.check,
    output:
        found="results/check_labels/{model}/{dataset}.json",
    log:
        "results/logs/check_labels/{model}/{dataset}.log",
    wildcard_constraints:
        model=look.with_head(),
    priority: 100
    conda:
        "../../envs/torch.yaml"
    threads: look.threads
    resources:
        sha256=look.sha256,
        mem_mb=growing(8000),
        runtime=growing(30),
    params:
        code=code("tokens/check_labels"),
        model=look.content,
        outputs=look.classes,
    script:
        "../scripts/tokens/check_labels.py"


# One job per model, dataset and perturbation walks all levels and labels. There is one rule per dataset, which is
# wildcard {dataset} as in all other rules, so that a cluster's profile may ask for more where there are more images.
for dataset in look.datasets:

    rule:
        name:
            f"extract_{dataset}"
        input:
            unpack(
                settled(
                    "results/tokens/{model}/{dataset}/{perturbation}.csv", images=look.images, weights=look.weights
                )
            ),
            clean=look.rollout,
            lost=whole("results/tokens/{model}/{dataset}/{perturbation}.csv", look.labels),
            sampled=look.check_sample,
            checked=look.check,  # not ancient: Snakemake would then overlook other reasons
            labelled=look.check_labels,
        output:
            contents="results/tokens/{model}/{dataset}/{perturbation}.csv",
        log:
            "results/logs/extract/{model}/{dataset}/{perturbation}.log",
        benchmark:
            "results/benchmarks/extract/{model}/{dataset}/{perturbation}.tsv"
        wildcard_constraints:
            dataset=dataset,
        group:
            "tokens_{model}"
        conda:
            "../../envs/torch.yaml"
        threads: look.threads
        resources:
            gpu=ask.gpus,
            device=look.device,  # not params: they make nothing again
            batch_size=look.batch_size,
            sha256=look.sha256,
            mem_mb=ask.extraction_mb,
            runtime=ask.extraction_minutes,
        params:
            code=code("tokens/extract"),
            model=look.content,
            patch=look.stores_patches,
            perturbation=look.perturbation,
            outputs=look.classes,
            dataset="{dataset}",
            labels=look.labels,
            seed=SEED,
            options={},  # of the forward pass: conventions have some, see conventions.smk
            config_hash=look.config_hash,
            clean_hash=look.clean_hash,
        script:
            "../scripts/tokens/extract.py"
