# Sensitivity: what the paper leaves open, decided otherwise -> results/{study}/tables and figures/sensitivity.*
# A convention that chooses another perturbation uses the rules before; one that changes how something is measured has
# its tokens and measures, only those that it changes, under results/conventions/{convention}/. None is in rule all.


wildcard_constraints:
    convention="|".join(CONVENTIONS) or "(?!)",


rule extract_by_convention:
    input:
        library=library("extract"),
        images=listed(STUDY["dataset"]),
        weights=lambda wildcards: weights_of(wildcards.model),
        clean=[],  # no ranking of patches: occlusions are perturbations of their own
        checked=check_of,
        labelled=check_of_labels(STUDY["dataset"]),
    output:
        tokens=OWN_TOKENS,
    log:
        f"results/logs/conventions/{{convention}}/extract/{{model}}/{STUDY['dataset']}/{{perturbation}}.log",
    benchmark:
        f"results/benchmarks/conventions/{{convention}}/extract/{{model}}/{STUDY['dataset']}/{{perturbation}}.tsv"
    wildcard_constraints:
        convention=changing(*conventions.OPTIONS),
    group:
        "tokens_{model}"
    conda:
        "../../envs/torch.yaml"
    threads: lambda wildcards: MODELS[wildcards.model]["threads"]
    resources:
        gpu=gpus,
        device=lambda wildcards: MODELS[wildcards.model]["device"],
        batch_size=lambda wildcards: MODELS[wildcards.model]["batch_size"],
        sha256=lambda wildcards: MODELS[wildcards.model]["sha256"] or "any",
        mem_mb=extraction_mb,
        runtime=extraction_minutes(STUDY["dataset"]),
    params:
        model=lambda wildcards: content_of(wildcards.model),
        patch=False,
        perturbation=lambda wildcards: PERTURBATIONS[wildcards.perturbation],
        classes=DATASETS[STUDY["dataset"]]["classes"],
        dataset=STUDY["dataset"],
        labels=DATASETS[STUDY["dataset"]]["labels"],
        seed=SEED,
        options=lambda wildcards: conventions.OPTIONS[kind_of(wildcards)],
        config_hash=convention_hash(),
        clean_hash=convention_hash("clean"),
    script:
        "../scripts/extract.py"


rule features_by_convention:
    input:
        library=library("features"),
        clean=convention_tokens("clean"),
        perturbed=convention_tokens(),
    output:
        measure=f"{OWN}/measures/features/{{model}}/{STUDY['dataset']}/{{perturbation}}.csv",
    log:
        f"results/logs/conventions/{{convention}}/features/{{model}}/{STUDY['dataset']}/{{perturbation}}.log",
    wildcard_constraints:
        convention=changing("features", "heads"),
    group:
        "measures_{model}"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=measuring_mb,
        runtime=measuring_minutes,
    params:
        labels=DATASETS[STUDY["dataset"]]["labels"],
        features=setting("features"),
        seed=SEED,
        clean_hash=convention_hash("clean"),
        config_hash=convention_hash(),
    script:
        "../scripts/features.py"


rule attention_by_convention:
    input:
        library=library("attention"),
        tokens=convention_tokens(),
    output:
        measure=f"{OWN}/measures/attention/{{model}}/{STUDY['dataset']}/{{perturbation}}.csv",
    log:
        f"results/logs/conventions/{{convention}}/attention/{{model}}/{STUDY['dataset']}/{{perturbation}}.log",
    wildcard_constraints:
        convention=changing("distance"),
        perturbation="clean",
    group:
        "measures_{model}"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=measuring_mb,
        runtime=measuring_minutes,
    params:
        labels=DATASETS[STUDY["dataset"]]["labels"],
        crop=lambda wildcards: MODELS[wildcards.model]["preprocessing"]["crop"],
        config_hash=convention_hash(),
    script:
        "../scripts/attention.py"


rule subspace_by_convention:
    input:
        library=library("subspace"),
        tokens=convention_tokens(),
    output:
        bases=f"{OWN}/subspaces/{{model}}/{STUDY['dataset']}/{{perturbation}}.npz",
        singular_values=f"{OWN}/measures/singular_values/{{model}}/{STUDY['dataset']}/{{perturbation}}.csv",
    log:
        f"results/logs/conventions/{{convention}}/subspace/{{model}}/{STUDY['dataset']}/{{perturbation}}.log",
    wildcard_constraints:
        convention=changing("subspace"),
    group:
        "measures_{model}"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=measuring_mb,
        runtime=measuring_minutes,
    params:
        labels=DATASETS[STUDY["dataset"]]["labels"],
        k=lambda wildcards: setting("subspace")(wildcards)["k"],
        centring=lambda wildcards: setting("subspace")(wildcards)["centring"],
        config_hash=convention_hash(),
    script:
        "../scripts/subspace.py"


rule principal_angles_by_convention:
    input:
        library=library("principal_angles"),
        bases=rules.subspace_by_convention.output.bases,
    output:
        measure=f"{OWN}/measures/angles/{{model}}/{STUDY['dataset']}/{{perturbation}}.csv",
    log:
        f"results/logs/conventions/{{convention}}/principal_angles/{{model}}/{STUDY['dataset']}/{{perturbation}}.log",
    group:
        "measures_{model}"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=angles_mb(STUDY["dataset"], lambda wildcards: setting("subspace")(wildcards)["k"]),
        runtime=measuring_minutes,
    params:
        labels=DATASETS[STUDY["dataset"]]["labels"],
        draws=25,
        seed=SEED,
    script:
        "../scripts/principal_angles.py"


rule final_norm:
    input:
        library=library("final_norm"),
        weights=lambda wildcards: weights_of(wildcards.model),
        checked=check_of,
    output:
        norm=f"{OWN}/final_norm/{{model}}.npz",
    log:
        "results/logs/conventions/{convention}/final_norm/{model}.log",
    wildcard_constraints:
        convention=changing("norm"),
    conda:
        "../../envs/torch.yaml"
    resources:
        sha256=lambda wildcards: MODELS[wildcards.model]["sha256"] or "any",
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 20 * attempt,
    params:
        model=lambda wildcards: content_of(wildcards.model),
    script:
        "../scripts/final_norm.py"


rule alignment_by_convention:
    input:
        library=library("alignment"),
        norm=rules.final_norm.output.norm,
        clean=convention_tokens("clean"),
        perturbed=convention_tokens(),
    output:
        measure=f"{OWN}/measures/alignment/{{model}}/{STUDY['dataset']}/{{perturbation}}.csv",
    log:
        f"results/logs/conventions/{{convention}}/alignment/{{model}}/{STUDY['dataset']}/{{perturbation}}.log",
    wildcard_constraints:
        model=with_head(),
    group:
        "measures_{model}"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=measuring_mb,
        runtime=measuring_minutes,
    params:
        classes=DATASETS[STUDY["dataset"]]["classes"],
        labels=DATASETS[STUDY["dataset"]]["labels"],
        among=CONFIG["analysis"]["among"],
        clean_hash=convention_hash("clean"),
        config_hash=convention_hash(),
    script:
        "../scripts/alignment.py"


use rule claims as claims_by_convention with:
    input:
        library=library("claims"),
        claims=claims_file(),
        accuracy=lambda wildcards: [
            under("accuracy", STUDY["finetuned"][0], role)(wildcards) for role in ("clean", "occlusion")
        ],
        alignment=lambda wildcards: [
            under("alignment", STUDY["finetuned"][0], role)(wildcards) for role in ("blur", "occlusion")
        ],
        features=under("features", STUDY["heads"], "blur"),
        attention=under("attention", STUDY["pretrained"], "clean"),
        attention_supervised=under("attention", STUDY["pretrained"] and STUDY["supervised"], "clean"),
        separation=under("separation", STUDY["pretrained"], "mask"),
        angles=under("angles", STUDY["pretrained"], "mask"),
        shift=[],  # no convention touches it, nor mask invariance
        mask_invariance=[],
    output:
        **{suffix: f"{RESULTS}/conventions/{{convention}}/claims.{suffix}" for suffix in ("csv", "tex", "md", "html")},
    log:
        "results/logs/conventions/{convention}/claims.log",
    params:
        perturbations=lambda wildcards: ["clean", taken(wildcards, "occlusion")],
        shifted=[],
        study=lambda wildcards, study=rules.claims.params.study: study | {"occlusion": taken(wildcards, "occlusion")},
        convention=kind_of,


rule sensitivity:
    input:
        library=library("sensitivity"),
        study=rules.claims.output.csv,
        claims=compared_conventions,
    output:
        **tables("sensitivity"),
        html=report(
            f"{RESULTS}/tables/sensitivity.html",
            caption="../report/sensitivity_table.rst",
            category="Sensitivity",
            labels={"figure": "Sensitivity", "what": "conclusions under other conventions, in numbers"},
        ),
        pdf=f"{RESULTS}/figures/sensitivity.pdf",
        png=report(
            f"{RESULTS}/figures/sensitivity.png",
            caption="../report/sensitivity.rst",
            category="Sensitivity",
            labels={"figure": "Sensitivity", "what": "conclusions under other conventions at a glance"},
        ),
        numbers=f"{RESULTS}/figures/sensitivity.csv",
    log:
        "results/logs/sensitivity.log",
    retries: 0
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        conventions=CONVENTIONS,
    script:
        "../scripts/sensitivity.py"


localrules:
    claims_by_convention,
    sensitivity,
