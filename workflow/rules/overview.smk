# Overview, made last: the settings, the weights and the benchmarks -> results/{study}/overview.html, the report's first page.

FILES = [model for model in MODELS if weights_of(model)]


rule overview:
    input:
        library=library("overview"),
        weights=[weights_of(model) for model in FILES],
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
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    params:
        config=CONFIG,
        files=FILES,
        names=[*MODELS, *DATASETS, *PERTURBATIONS],
        fingerprint=settings.fingerprint(CONFIG),
    script:
        "../scripts/overview.py"
