# Beyond the paper: what is asked of masked autoencoders besides; tokens -> measures -> figures and tables.
# Each measure reads tokens that a study has anyway. The last four targets are in no study by default: what they show
# needs perturbations of its own, or images that vote, or takes long.


rule neural_collapse:
    input:
        tokens=look.tokens,
    output:
        measure="results/measures/neural_collapse/{model}/{dataset}/{perturbation}.csv",
    log:
        "results/logs/neural_collapse/{model}/{dataset}/{perturbation}.log",
    group:
        "measures_{model}"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=ask.measuring_mb,
        runtime=ask.measuring_minutes,
    params:
        code=code("measures/neural_collapse"),
        labels=look.several_labels,
        seed=SEED,
        config_hash=look.config_hash,
    script:
        "../scripts/measures/neural_collapse.py"


rule figure_eigenvalues:
    input:
        measures=look.compared("effective_rank", STUDY["compared"]),
    output:
        **figure("figure_eigenvalues", "Beyond the paper", "Eigenvalues of embeddings by layer", "numbers"),
    log:
        f"{RESULTS}/logs/figure_eigenvalues.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("figures/figure_eigenvalues"),
    script:
        "../scripts/figures/figure_eigenvalues.py"


rule figure_neural_collapse:
    input:
        measures=look.compared("neural_collapse", STUDY["compared"]),
    output:
        **figure("figure_neural_collapse", "Beyond the paper", "Neural collapse by layer", "numbers"),
    log:
        f"{RESULTS}/logs/figure_neural_collapse.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("figures/figure_neural_collapse"),
    script:
        "../scripts/figures/figure_neural_collapse.py"


rule high_norms:
    input:
        tokens=look.tokens,
    output:
        measure="results/measures/high_norms/{model}/{dataset}/{perturbation}.csv",
    log:
        "results/logs/high_norms/{model}/{dataset}/{perturbation}.log",
    wildcard_constraints:
        model=look.on_all_patches,
        perturbation="clean",
    group:
        "measures_{model}"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(4000),  # one batch of tokens at a time, whatever the files hold
        runtime=ask.measuring_minutes,
    params:
        code=code("measures/high_norms"),
        labels=look.labels,
        crop=look.crop,
        config_hash=look.config_hash,
    script:
        "../scripts/measures/high_norms.py"


rule figure_high_norms:
    input:
        measures=look.compared("high_norms", look.seen_whole),
    output:
        **figure("figure_high_norms", "Beyond the paper", "Patch tokens of outlying norm", "numbers"),
    log:
        f"{RESULTS}/logs/figure_high_norms.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("figures/figure_high_norms"),
    script:
        "../scripts/figures/figure_high_norms.py"


rule patch_components:
    input:
        tokens=look.tokens,
    output:
        measure=f"{RESULTS}/measures/patch_components/{{model}}/{{dataset}}/{{perturbation}}.csv",
    log:
        f"{RESULTS}/logs/patch_components/{{model}}/{{dataset}}/{{perturbation}}.log",
    wildcard_constraints:
        model=look.on_all_patches,
        perturbation="clean",
    group:
        "measures_{model}"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(4000),  # one batch of tokens at a time, whatever the files hold
        runtime=ask.measuring_minutes,
    params:
        code=code("measures/patch_components"),
        labels=look.shown,
        seed=SEED,
        crop=look.crop,
        config_hash=look.config_hash,
    script:
        "../scripts/measures/patch_components.py"


rule figure_patches:
    input:
        measures=look.compared("patch_components", look.seen_whole),
    output:
        **figure("figure_patches", "Beyond the paper", "Patches in colours of their first components", "numbers"),
    log:
        f"{RESULTS}/logs/figure_patches.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("figures/figure_patches"),
    script:
        "../scripts/figures/figure_patches.py"


rule out_of_distribution:
    input:
        tokens=look.strange_tokens,
    output:
        measure=f"{RESULTS}/measures/out_of_distribution/{{model}}/{{dataset}}/{{perturbation}}.csv",
    log:
        f"{RESULTS}/logs/out_of_distribution/{{model}}/{{dataset}}/{{perturbation}}.log",
    wildcard_constraints:
        model=lookups.pattern(look.sees_strange),
        dataset=STUDY["dataset"],
        perturbation="clean",
    group:
        "measures_{model}"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=ask.measuring_minutes,
    params:
        code=code("measures/out_of_distribution"),
        conditions=look.strange,
        head=look.has_head,
        k=ANALYSIS["neighbours"],
    script:
        "../scripts/measures/out_of_distribution.py"


rule figure_out_of_distribution:
    input:
        measures=look.measured("out_of_distribution", look.sees_strange, "clean"),
    output:
        **figure("figure_out_of_distribution", "Beyond the paper", "Strange images told from clean ones", "numbers"),
    log:
        f"{RESULTS}/logs/figure_out_of_distribution.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("figures/figure_out_of_distribution"),
        neighbours=ANALYSIS["neighbours"],  # for the caption
        confidence=ANALYSIS["confidence"],
    script:
        "../scripts/figures/figure_out_of_distribution.py"


rule table_drift:
    input:
        alignment=look.degraded("alignment", STUDY["finetuned"]),
        accuracy=look.measured("accuracy", STUDY["finetuned"], ["clean"]),
    output:
        **table("table_drift", "Beyond the paper", "Drift: what foretells the loss of accuracy"),
    log:
        f"{RESULTS}/logs/table_drift.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("tables/table_drift"),
        outputs=look.outputs,
        choices=look.choices,
        confidence=ANALYSIS["confidence"],
    script:
        "../scripts/tables/table_drift.py"


rule figure_shuffle:  # in no study by default: it needs a perturbation of its own
    input:
        clean=look.measured("accuracy", STUDY["finetuned"], "clean"),
        accuracy=look.shuffled("accuracy"),
        alignment=look.shuffled("alignment"),
    output:
        **figure("figure_shuffle", "Beyond the paper", "Accuracy of shuffled pieces", "numbers"),
    log:
        f"{RESULTS}/logs/figure_shuffle.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("figures/figure_shuffle"),
        choices=look.choices,
        intervals=look.intervals,
    script:
        "../scripts/figures/figure_shuffle.py"


rule figure_faithfulness:
    input:
        measures=look.rankings,
    output:
        **figure("figure_faithfulness", "Beyond the paper", "Insertion and deletion by rankings of patches", "numbers"),
    log:
        f"{RESULTS}/logs/figure_faithfulness.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("figures/figure_faithfulness"),
        rankings={name: entry for name, entry in look.perturbations.items() if entry["kind"] == "occlusion"},
        choices=look.choices,
        intervals=look.intervals,
    script:
        "../scripts/figures/figure_faithfulness.py"


rule similarity:
    input:
        tokens=look.similar_tokens,
    output:
        measure=f"{RESULTS}/measures/similarity.csv",
    log:
        f"{RESULTS}/logs/similarity.log",
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        code=code("measures/similarity"),
        labels=look.datasets[STUDY["dataset"]]["labels"],
        pairs=[["/".join(side) for side in pair] for pair in look.similar()],
        of=look.similar_of,
        seed=SEED,
    script:
        "../scripts/measures/similarity.py"


rule table_similarity:
    input:
        measure=f"{RESULTS}/measures/similarity.csv",
    output:
        **table("table_similarity", "Sensitivity", "Sensitivity: similarity by other measures"),
    log:
        f"{RESULTS}/logs/table_similarity.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("tables/table_similarity"),
        finetuned=STUDY["finetuned"],
        confidence=ANALYSIS["confidence"],
    script:
        "../scripts/tables/table_similarity.py"


rule knn:
    input:
        unpack(settled(f"{RESULTS}/measures/knn/{{model}}/{{dataset}}/{{perturbation}}.csv", weights=look.weights)),
        tokens=look.tokens,
        reference=look.voting_tokens,
        checked=look.check,
    output:
        measure=f"{RESULTS}/measures/knn/{{model}}/{{dataset}}/{{perturbation}}.csv",
    log:
        f"{RESULTS}/logs/knn/{{model}}/{{dataset}}/{{perturbation}}.log",
    wildcard_constraints:
        dataset=STUDY["dataset"],
        perturbation="clean",
    conda:
        "../../envs/torch.yaml"
    resources:
        sha256=look.sha256,
        mem_mb=ask.measuring_mb,
        runtime=ask.measuring_minutes,
    params:
        code=code("measures/knn"),
        model=look.content,
        labels=look.labels,
        confidence=ANALYSIS["confidence"],
        config_hash=look.config_hash,
        reference_hash=look.reference_hash,
    script:
        "../scripts/measures/knn.py"


rule table_knn:
    input:
        measures=look.compared("knn", STUDY["compared"] or STUDY["finetuned"]),
    output:
        **table("table_knn", "Beyond the paper", "k-NN of images that vote"),
    log:
        f"{RESULTS}/logs/table_knn.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("tables/table_knn"),
        pooling={name: model["pooling"] for name, model in look.models.items()},
        reference=STUDY["reference"],
    script:
        "../scripts/tables/table_knn.py"
