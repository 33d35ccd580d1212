# Conventions: what the paper leaves open, decided otherwise -> results/{study}/tables and figures/sensitivity.*
# A convention that chooses another perturbation uses the rules before; one that changes how something is measured has
# its tokens and measures, only those that it changes, under results/{study}/conventions/{convention}/, each by the rule
# that makes the study's own (but for the extraction, whose rule has a name of the dataset). None is in rule all.

from maescope.study import conventions
from maescope.study.convention_lookups import ConventionLookUps

under = ConventionLookUps(look)
OWN = under.folder


wildcard_constraints:
    convention=under.names,


rule extract_by_convention:
    input:
        unpack(
            settled(
                f"{OWN}/tokens/{{model}}/{{dataset}}/{{perturbation}}.csv", images=look.images, weights=look.weights
            )
        ),
        lost=whole(f"{OWN}/tokens/{{model}}/{{dataset}}/{{perturbation}}.csv", look.labels),
        sampled=look.check_sample,
        clean=[],  # no ranking of patches: occlusions are perturbations of their own
        checked=look.check,
        labelled=look.check_labels,
    output:
        contents=f"{OWN}/tokens/{{model}}/{{dataset}}/{{perturbation}}.csv",
    log:
        f"{OWN}/logs/extract/{{model}}/{{dataset}}/{{perturbation}}.log",
    benchmark:
        f"{OWN}/benchmarks/extract/{{model}}/{{dataset}}/{{perturbation}}.tsv"
    wildcard_constraints:
        convention=under.changing(*conventions.OPTIONS),
        dataset=STUDY["dataset"],
    group:
        "tokens_{model}"
    conda:
        "../../envs/torch.yaml"
    threads: look.threads
    resources:
        gpu=ask.gpus,
        device=look.device,
        batch_size=look.batch_size,
        sha256=look.sha256,
        mem_mb=ask.extraction_mb,
        runtime=ask.extraction_minutes,
    params:
        code=code("tokens/extract"),
        model=look.content,
        patch=False,
        perturbation=look.perturbation,
        outputs=look.classes,
        dataset="{dataset}",
        labels=look.labels,
        seed=SEED,
        options=under.options,
        config_hash=under.config_hash,
        clean_hash=under.clean_hash,
    script:
        "../scripts/tokens/extract.py"


use rule features as features_by_convention with:
    input:
        clean=under.clean_tokens,
        perturbed=under.tokens,
    output:
        measure=f"{OWN}/measures/features/{{model}}/{{dataset}}/{{perturbation}}.parquet",
    log:
        f"{OWN}/logs/features/{{model}}/{{dataset}}/{{perturbation}}.log",
    wildcard_constraints:
        convention=under.changing("features", "heads"),
        dataset=STUDY["dataset"],
    params:
        features=under.features,
        clean_hash=under.clean_hash,
        config_hash=under.config_hash,


use rule attention as attention_by_convention with:
    input:
        tokens=under.tokens,
    output:
        measure=f"{OWN}/measures/attention/{{model}}/{{dataset}}/{{perturbation}}.parquet",
    log:
        f"{OWN}/logs/attention/{{model}}/{{dataset}}/{{perturbation}}.log",
    wildcard_constraints:
        convention=under.changing("distance"),
        dataset=STUDY["dataset"],
        perturbation="clean",
    params:
        config_hash=under.config_hash,


use rule subspaces as subspaces_by_convention with:
    input:
        tokens=under.tokens,
    output:
        bases=f"{OWN}/subspaces/{{model}}/{{dataset}}/{{perturbation}}.npz",
        singular_values=f"{OWN}/measures/singular_values/{{model}}/{{dataset}}/{{perturbation}}.csv",
    log:
        f"{OWN}/logs/subspaces/{{model}}/{{dataset}}/{{perturbation}}.log",
    wildcard_constraints:
        convention=under.changing("subspace"),
        dataset=STUDY["dataset"],
    group:
        "measures_{model}"
    params:
        k=under.k,
        centring=under.centring,
        config_hash=under.config_hash,


use rule angles as angles_by_convention with:
    input:
        bases=rules.subspaces_by_convention.output.bases,
    output:
        measure=f"{OWN}/measures/angles/{{model}}/{{dataset}}/{{perturbation}}.csv",
    log:
        f"{OWN}/logs/angles/{{model}}/{{dataset}}/{{perturbation}}.log",
    wildcard_constraints:
        convention=under.changing("subspace"),
        dataset=STUDY["dataset"],
    group:
        "measures_{model}"
    resources:
        mem_mb=ask.angles_mb(under.k),
        runtime=ask.measuring_minutes,


rule final_norm:
    input:
        unpack(settled(f"{OWN}/final_norm/{{model}}.npz", weights=look.weights)),
        checked=look.check,
    output:
        norm=f"{OWN}/final_norm/{{model}}.npz",
    log:
        f"{OWN}/logs/final_norm/{{model}}.log",
    wildcard_constraints:
        convention=under.changing("norm"),
    conda:
        "../../envs/torch.yaml"
    resources:
        sha256=look.sha256,
        mem_mb=growing(4000),
        runtime=growing(20),
    params:
        code=code("tokens/final_norm"),
        model=look.content,
    script:
        "../scripts/tokens/final_norm.py"


use rule alignment as alignment_by_convention with:
    input:
        clean=under.clean_tokens,
        perturbed=under.tokens,
        norm=rules.final_norm.output.norm,
    output:
        measure=f"{OWN}/measures/alignment/{{model}}/{{dataset}}/{{perturbation}}.parquet",
    log:
        f"{OWN}/logs/alignment/{{model}}/{{dataset}}/{{perturbation}}.log",
    wildcard_constraints:
        convention=under.changing("norm"),
        model=look.with_head(),
        dataset=STUDY["dataset"],
    params:
        clean_hash=under.clean_hash,
        config_hash=under.config_hash,


use rule claims as claims_by_convention with:
    input:
        claims=CLAIMS,
        accuracy=under.measured("accuracy", look.first, "clean", "occlusion"),
        alignment=under.measured("alignment", look.first, "blur", "occlusion"),
        features=under.measured("features", STUDY["heads"], "blur"),
        attention=under.measured("attention", STUDY["pretrained"], "clean"),
        attention_supervised=under.measured("attention", STUDY["pretrained"] and STUDY["supervised"], "clean"),
        separation=under.measured("separation", STUDY["pretrained"], "mask"),
        angles=under.measured("angles", STUDY["pretrained"], "mask"),
        shift=[],  # no convention touches it, nor mask invariance
        mask_invariance=[],
    output:
        **{suffix: f"{OWN}/claims.{suffix}" for suffix in ("csv", "tex", "md", "html")},
    log:
        f"{OWN}/logs/claims.log",
    params:
        shifted={},
        study=lambda wildcards: rules.claims.params.study | {"occlusion": under.taken(wildcards, "occlusion")},
        convention=under.kind,


rule sensitivity:
    input:
        study=f"{RESULTS}/tables/claims.csv",
        claims=under.claims,
    output:
        **table("sensitivity", "Sensitivity", "Sensitivity: in numbers", "sensitivity_table"),
        **figure("sensitivity", "Sensitivity", "Sensitivity: at a glance", "numbers"),
    log:
        f"{RESULTS}/logs/sensitivity.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("claims/sensitivity"),
        conventions=under.conventions,
    script:
        "../scripts/claims/sensitivity.py"


localrules:
    claims_by_convention,
