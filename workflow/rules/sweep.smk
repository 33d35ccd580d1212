# Sweep over mask ratios and patch sizes (Kong et al.): measures of all of study.sweep's models, gathered in
# results/{study}/sweep.csv -> figure_sweep, figure_sweep_layers, table_sweep, sweep_claims. The target `sweep` is all of it.

from maescope.study.sweep import Sweep

swept = Sweep(look)


rule sweep_runs:
    input:
        unmasked=swept.measured("separation", perturbation="clean"),
        masked=swept.measured("separation"),
        angles=swept.measured("angles"),
        rebuilt=swept.measured("reconstruction_error", swept.decoded),
        accuracy=swept.accuracies,
    output:
        runs=f"{RESULTS}/sweep.csv",
    log:
        f"{RESULTS}/logs/sweep_runs.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("tables/sweep_runs"),
        models=swept.settings(),
        families=lambda wildcards: swept.families(),
    script:
        "../scripts/tables/sweep_runs.py"


rule figure_sweep:
    input:
        runs=rules.sweep_runs.output.runs,
    output:
        **figure("figure_sweep", "Sweep", "Measures by ratio and patch size", "numbers"),
    log:
        f"{RESULTS}/logs/figure_sweep.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("figures/figure_sweep"),
        chance=1 / len(look.datasets[STUDY["dataset"]]["labels"]),
        top_1=1 / look.choices,
        confidence=ANALYSIS["confidence"],
    script:
        "../scripts/figures/figure_sweep.py"


rule figure_sweep_layers:
    input:
        runs=rules.sweep_runs.output.runs,
    output:
        **figure("figure_sweep_layers", "Sweep", "Linear probe by layer", "numbers"),
    log:
        f"{RESULTS}/logs/figure_sweep_layers.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("figures/figure_sweep_layers"),
        chance=1 / len(look.datasets[STUDY["dataset"]]["labels"]),
    script:
        "../scripts/figures/figure_sweep_layers.py"


rule table_sweep:
    input:
        runs=rules.sweep_runs.output.runs,
    output:
        **table("table_sweep", "Sweep", "Sweep: measures of every setting"),
    log:
        f"{RESULTS}/logs/table_sweep.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("tables/table_sweep"),
        images=look.datasets[STUDY["dataset"]]["count"],
        classes=len(look.datasets[STUDY["dataset"]]["labels"]),
        confidence=ANALYSIS["confidence"],
    script:
        "../scripts/tables/table_sweep.py"


rule sweep_claims:
    input:
        runs=rules.sweep_runs.output.runs,
    output:
        **table("sweep_claims", "Sweep", "Sweep: what holds here"),
    log:
        f"{RESULTS}/logs/sweep_claims.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("claims/sweep_claims"),
        confidence=ANALYSIS["confidence"],
    script:
        "../scripts/claims/sweep_claims.py"


SWEEP = [
    *rules.figure_sweep.output,
    *rules.figure_sweep_layers.output,
    *rules.table_sweep.output,
    *rules.sweep_claims.output,
    *(rules.training_curves.output if look.trained else []),
]


rule sweep:
    input:
        lambda wildcards: SWEEP if STUDY["sweep"] else look.named("sweep"),
    localrule: True
