# Overview, made last: settings, weights, benchmarks -> results/{study}/overview.html, the report's first page.

NAMED = [STUDY["pretrained"], STUDY["supervised"], STUDY["heads"], *TRAINED]
NAMED += [*STUDY["finetuned"], *STUDY["corrupted"], *STUDY["compared"]]
NAMED += [model for entry in STUDY["sweep"] for model in (*entry["pretrained"], *entry["finetuned"])]
USED = [model for model in MODELS if model in NAMED]


rule overview:
    input:
        library=library("overview"),
        weights=lambda wildcards: [weights_of(model) for model in USED if weights_of(model)],
        made=[
            rules.claims.output.csv,
            rules.shifts.output.csv,
            rules.figure_3.output.numbers if STUDY["pretrained"] else [],
        ],
    output:
        html=report(
            f"{RESULTS}/overview.html",
            caption="../report/overview_page.rst",
            category="Overview",
            labels={"figure": "Overview", "what": "settings, models, run times, versions"},
        ),
    log:
        "results/logs/overview.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        config=CONFIG,
        used=USED,
        files=lambda wildcards: [model for model in USED if weights_of(model)],
        names=[*MODELS, *DATASETS, *PERTURBATIONS],
    script:
        "../scripts/overview.py"
