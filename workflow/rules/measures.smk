# Measures: tokens -> results/measures/{measure}/{model}/{dataset}/{perturbation}.csv, tidy, one row per observation;
# .parquet, of which less is written and read, where that is a row per image or head and level.
# Each rule alone; none reads another's. Image quality and reconstruction errors read pixels. What a study shows of t-SNE,
# and the separation of classes that is drawn below it, lies under the study: results/{study}/measures.


rule accuracy:
    input:
        tokens=look.tokens,
    output:
        measure="results/measures/accuracy/{model}/{dataset}/{perturbation}.parquet",
    log:
        "results/logs/accuracy/{model}/{dataset}/{perturbation}.log",
    wildcard_constraints:
        model=look.with_head(),
    group:
        "measures_{model}"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=ask.measuring_mb,
        runtime=ask.measuring_minutes,
    params:
        code=code("measures/accuracy"),
        outputs=look.classes,
        labels=look.labels,
        among=ANALYSIS["among"],
        config_hash=look.config_hash,
    script:
        "../scripts/measures/accuracy.py"


rule alignment:
    input:
        clean=look.clean_tokens,
        perturbed=look.tokens,
    output:
        measure="results/measures/alignment/{model}/{dataset}/{perturbation}.parquet",
    log:
        "results/logs/alignment/{model}/{dataset}/{perturbation}.log",
    wildcard_constraints:
        model=look.with_head(),
    group:
        "measures_{model}"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=ask.measuring_mb,
        runtime=ask.measuring_minutes,
    params:
        code=code("measures/alignment"),
        outputs=look.classes,
        labels=look.labels,
        among=ANALYSIS["among"],
        clean_hash=look.clean_hash,
        config_hash=look.config_hash,
    script:
        "../scripts/measures/alignment.py"


rule tsne:
    input:
        tokens=look.asking("tsne", look.tokens),
    output:
        measure=f"{RESULTS}/measures/tsne/{{model}}/{{dataset}}/{{perturbation}}.csv",
    log:
        f"{RESULTS}/logs/tsne/{{model}}/{{dataset}}/{{perturbation}}.log",
    conda:
        "../../envs/cpu.yaml"
    threads: 12  # layers side by side, one thread each
    resources:
        mem_mb=ask.showing_mb,
        runtime=ask.measuring_minutes,
    params:
        code=code("measures/tsne"),
        labels=look.shown,
        images=STUDY["tsne"]["images"],
        perplexity=ANALYSIS["perplexity"],
        seed=SEED,
        config_hash=look.config_hash,
    script:
        "../scripts/measures/tsne.py"


rule separation:
    input:
        tokens=look.asking("separation", look.tokens),
        reference=look.reference_tokens,
    output:
        measure=f"{RESULTS}/measures/separation/{{model}}/{{dataset}}/{{perturbation}}.csv",
    log:
        f"{RESULTS}/logs/separation/{{model}}/{{dataset}}/{{perturbation}}.log",
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=ask.separating_mb,
        runtime=ask.measuring_minutes,
    params:
        code=code("measures/separation"),
        labels=look.labels,
        shown=look.shown,
        patch=lambda wildcards: (wildcards.model, wildcards.perturbation) == (STUDY["pretrained"], STUDY["mask"]),
        images=STUDY["tsne"]["images"],
        probes={key: ANALYSIS[key] for key in ("neighbours", "folds")} | {"seed": SEED},
        config_hash=look.config_hash,
        reference_hash=look.reference_hash,
    script:
        "../scripts/measures/separation.py"


rule attention:
    input:
        tokens=look.tokens,
    output:
        measure="results/measures/attention/{model}/{dataset}/{perturbation}.parquet",
    log:
        "results/logs/attention/{model}/{dataset}/{perturbation}.log",
    wildcard_constraints:
        perturbation="clean",
    group:
        "measures_{model}"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=ask.measuring_mb,
        runtime=ask.measuring_minutes,
    params:
        code=code("measures/attention"),
        labels=look.labels,
        crop=look.crop,
        config_hash=look.config_hash,
    script:
        "../scripts/measures/attention.py"


rule subspaces:
    input:
        tokens=look.asking("subspaces", look.tokens),
    output:
        bases="results/subspaces/{model}/{dataset}/{perturbation}.npz",
        singular_values="results/measures/singular_values/{model}/{dataset}/{perturbation}.csv",
    log:
        "results/logs/subspaces/{model}/{dataset}/{perturbation}.log",
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=ask.measuring_mb,
        runtime=ask.measuring_minutes,
    params:
        code=code("measures/subspaces"),
        labels=look.labels,
        k=ANALYSIS["subspace"]["k"],
        centring=ANALYSIS["subspace"]["centring"],
        config_hash=look.config_hash,
    script:
        "../scripts/measures/subspaces.py"


rule angles:
    input:
        bases="results/subspaces/{model}/{dataset}/{perturbation}.npz",
    output:
        measure="results/measures/angles/{model}/{dataset}/{perturbation}.csv",
    log:
        "results/logs/angles/{model}/{dataset}/{perturbation}.log",
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=ask.angles_mb(lambda wildcards: ANALYSIS["subspace"]["k"]),
        runtime=ask.measuring_minutes,
    params:
        code=code("measures/angles"),
        draws=25,
        every=look.every_angle,
        seed=SEED,
    script:
        "../scripts/measures/angles.py"


rule mask_invariance:
    input:
        tokens=look.asking("mask_invariance", look.tokens),
    output:
        measure="results/measures/mask_invariance/{model}/{dataset}/{perturbation}.csv",
    log:
        "results/logs/mask_invariance/{model}/{dataset}/{perturbation}.log",
    group:
        "measures_{model}"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=ask.measuring_mb,
        runtime=ask.measuring_minutes,
    params:
        code=code("measures/mask_invariance"),
        labels=look.labels,
        config_hash=look.config_hash,
    script:
        "../scripts/measures/mask_invariance.py"


rule features:
    input:
        clean=look.clean_tokens,
        perturbed=look.tokens,
    output:
        measure="results/measures/features/{model}/{dataset}/{perturbation}.parquet",
    log:
        "results/logs/features/{model}/{dataset}/{perturbation}.log",
    group:
        "measures_{model}"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=ask.measuring_mb,
        runtime=ask.measuring_minutes,
    params:
        code=code("measures/features"),
        labels=look.labels,
        features=ANALYSIS["features"],
        seed=SEED,
        clean_hash=look.clean_hash,
        config_hash=look.config_hash,
    script:
        "../scripts/measures/features.py"


rule shift:
    input:
        tokens=look.tokens,
    output:
        measure="results/measures/shift/{model}/{dataset}/{perturbation}.parquet",
    log:
        "results/logs/shift/{model}/{dataset}/{perturbation}.log",
    wildcard_constraints:
        model=look.with_head(),
    group:
        "measures_{model}"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=ask.measuring_mb,
        runtime=ask.measuring_minutes,
    params:
        code=code("measures/shift"),
        outputs=look.classes,
        labels=look.labels,
        config_hash=look.config_hash,
    script:
        "../scripts/measures/shift.py"


rule quality:
    input:
        unpack(settled("results/measures/quality/{model}/{dataset}/{perturbation}.csv", images=look.images_compared)),
    output:
        measure="results/measures/quality/{model}/{dataset}/{perturbation}.csv",
    log:
        "results/logs/quality/{model}/{dataset}/{perturbation}.log",
    wildcard_constraints:
        perturbation=look.of_kind("blur"),
    conda:
        "../../envs/torch.yaml"
    threads: 4
    resources:
        mem_mb=growing(4000),
        runtime=ask.quality_minutes,
    params:
        code=code("measures/quality"),
        preprocessing=look.preprocessing,
        perturbation=look.perturbation,
        dataset="{dataset}",
        seed=SEED,
    script:
        "../scripts/measures/quality.py"


rule cka:
    input:
        tokens=look.tokens,
        other=look.other_tokens,
    output:
        measure="results/measures/cka/{model}/{dataset}/{perturbation}/{other}.csv",
    log:
        "results/logs/cka/{model}/{dataset}/{perturbation}/{other}.log",
    wildcard_constraints:
        other=lookups.pattern(look.models),
    group:
        "measures_{model}"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=ask.comparing_mb,
        runtime=ask.measuring_minutes,
    params:
        code=code("measures/cka"),
        labels=look.labels,
        config_hash=look.config_hash,
        other_hash=look.other_hash,
    script:
        "../scripts/measures/cka.py"


rule effective_rank:
    input:
        tokens=look.tokens,
    output:
        measure="results/measures/effective_rank/{model}/{dataset}/{perturbation}.csv",
    log:
        "results/logs/effective_rank/{model}/{dataset}/{perturbation}.log",
    group:
        "measures_{model}"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=ask.measuring_mb,
        runtime=ask.measuring_minutes,
    params:
        code=code("measures/effective_rank"),
        labels=look.labels,
        seed=SEED,
        config_hash=look.config_hash,
    script:
        "../scripts/measures/effective_rank.py"


rule spectrum:
    input:
        tokens=look.tokens,
    output:
        measure="results/measures/spectrum/{model}/{dataset}/{perturbation}.csv",
    log:
        "results/logs/spectrum/{model}/{dataset}/{perturbation}.log",
    wildcard_constraints:
        model=look.on_all_patches,
        perturbation="clean",
    group:
        "measures_{model}"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=ask.measuring_mb,
        runtime=ask.measuring_minutes,
    params:
        code=code("measures/spectrum"),
        labels=look.labels,
        crop=look.crop,
        config_hash=look.config_hash,
    script:
        "../scripts/measures/spectrum.py"


rule class_attention:
    input:
        tokens=look.tokens_with_cls,
    output:
        measure="results/measures/class_attention/{model}/{dataset}/{perturbation}.csv",
    log:
        "results/logs/class_attention/{model}/{dataset}/{perturbation}.log",
    wildcard_constraints:
        model=look.on_all_patches,
        perturbation="clean",
    group:
        "measures_{model}"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=ask.measuring_mb,
        runtime=ask.measuring_minutes,
    params:
        code=code("measures/class_attention"),
        labels=look.labels,
        config_hash=look.config_hash,
    script:
        "../scripts/measures/class_attention.py"


rule reconstruction_error:
    input:
        unpack(
            settled(
                "results/measures/reconstruction_error/{model}/{dataset}/{perturbation}.csv",
                images=look.images_compared,
                weights=look.weights,
            )
        ),
    output:
        measure="results/measures/reconstruction_error/{model}/{dataset}/{perturbation}.csv",
    log:
        "results/logs/reconstruction_error/{model}/{dataset}/{perturbation}.log",
    wildcard_constraints:
        model=lookups.pattern(look.pretrained_here),
        perturbation=look.of_kind("mask"),
    group:
        "measures_{model}"
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=ask.extraction_minutes,
    params:
        code=code("measures/reconstruction_error"),
        model=look.architecture,
        decoder=lambda wildcards: look.training(wildcards)["decoder"],
        normalised=lambda wildcards: look.training(wildcards)["norm_pix_loss"],
        perturbation=look.perturbation,
        low_frequencies=ANALYSIS["low_frequencies"],
        batch_size=50,
        dataset="{dataset}",
        seed=SEED,
    script:
        "../scripts/measures/reconstruction_error.py"
