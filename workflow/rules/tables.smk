# Tables: measures -> results/{study}/tables/*.{csv,tex,md,html}. Each is a target by its file or by its rule's name.


rule table_1:
    input:
        images=look.images_of(STUDY["dataset"]),
        accuracy=look.measured("accuracy", STUDY["finetuned"], ["clean", look.blur]),
        quality=look.under("blur", "quality", look.first),
        paper=look.published("table_1"),
    output:
        **table("table_1", "Robustness", "Table I: Gaussian blur"),
    log:
        f"{RESULTS}/logs/table_1.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("tables/table_1"),
        resize=look.resize(STUDY["finetuned"]),
        filters=look.perturbations[look.blur]["levels"] if look.blur else {},
        same_crop=look.same_crop(),
        images_asked=look.datasets[STUDY["dataset"]]["count"],
        outputs=look.outputs,
        choices=look.choices,
        intervals=look.intervals,
    script:
        "../scripts/tables/table_1.py"


rule table_2:
    input:
        images=look.images_of(STUDY["dataset"]),
        accuracy=look.corrupted,
        paper=look.published("table_2"),
    output:
        **table("table_2", "Robustness", "Table II: fifteen corruptions"),
    log:
        f"{RESULTS}/logs/table_2.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("tables/table_2"),
        resize=look.resize(STUDY["corrupted"]),
        first=look.first,
        sources=look.sources(),
        small=look.is_small(STUDY["corrupted"][0]),
        imagenet=look.images_known() == "imagenet-1k",
        outputs=look.outputs,
        choices=look.choices,
        images_asked=look.datasets[STUDY["dataset"]]["count"],
        intervals=look.intervals,
    script:
        "../scripts/tables/table_2.py"


rule table_3:
    input:
        images=look.images_of(STUDY["dataset"]),
        alignment=look.degraded("alignment", STUDY["finetuned"]),
        accuracy=look.measured("accuracy", STUDY["finetuned"], ["clean", *look.degradations]),
        paper=look.published("table_3"),
    output:
        **table("table_3", "Robustness", "Table III: clean against perturbed embeddings"),
    log:
        f"{RESULTS}/logs/table_3.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("tables/table_3"),
        resize=look.resize(STUDY["finetuned"]),
        images_asked=look.datasets[STUDY["dataset"]]["count"],
        outputs=look.outputs,
        choices=look.choices,
        intervals=look.intervals,
    script:
        "../scripts/tables/table_3.py"


rule table_models:
    input:
        images=look.images_of(STUDY["dataset"]),
        accuracy=look.judged,
    output:
        **table("table_models", "Beyond the paper", "Models: paired tests between them"),
    log:
        f"{RESULTS}/logs/table_models.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("tables/table_models"),
        outputs=look.outputs,
        resize=look.resize(STUDY["finetuned"]),
        choices=look.choices,
        intervals=look.intervals,
    script:
        "../scripts/tables/table_models.py"


rule shifts:
    input:
        claims=f"{RESULTS}/tables/claims.csv",
        mask_invariance=look.mask_variants if STUDY["mask_variants"] else [],
        paper=CLAIMS,
        shift=look.shifted(STUDY["corrupted"], look.shift_datasets()),
    output:
        **table("shifts", "Claims", "Shifts: other images, masks, the text"),
    log:
        f"{RESULTS}/logs/shifts.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("tables/shifts"),
        first=look.first,
        pairs=STUDY["shifts"],
        outputs={dataset: look.datasets[dataset]["classes"] for dataset in look.shift_datasets()},
        repeats_paper=bool(STUDY["paper"]),
        lists={dataset: name for name, dataset in look.shifted_lists().items()},
        intervals=look.intervals,
    script:
        "../scripts/tables/shifts.py"


# Overview, made last: settings, weights, benchmarks -> results/{study}/overview.html, the report's first page.


rule overview:
    input:
        unpack(settled(f"{RESULTS}/overview.html", weights=look.weights_used)),
        accuracy=look.measured("accuracy", STUDY["finetuned"], "clean"),
        made=[
            f"{RESULTS}/tables/claims.csv",
            f"{RESULTS}/tables/shifts.csv",
            f"{RESULTS}/figures/figure_3.csv" if STUDY["pretrained"] else [],
        ],
    output:
        html=shown(
            f"{RESULTS}/overview.html",
            caption="overview_page",
            category="Overview",
            title="Settings, models, run times, versions",
        ),
    log:
        f"{RESULTS}/logs/overview.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("tables/overview"),
        config=CONFIG,
        used=look.used(),
        outputs=look.outputs,
        choices=look.choices,
        names=[*look.models, *look.datasets, *look.perturbations],
    script:
        "../scripts/tables/overview.py"
