# Tables: measures (CSV) -> results/{study}/tables/*.{csv,tex,md,html}. Each is a target by its file or by its rule's name.


CHOICES = len(DATASETS[STUDY["dataset"]]["labels" if CONFIG["analysis"]["among"] == "labels" else "classes"] or [])


rule table_1:
    input:
        library=library("table_1"),
        accuracy=expand(
            "results/measures/accuracy/{model}/{dataset}/{perturbation}.csv",
            model=STUDY["finetuned"],
            dataset=STUDY["dataset"],
            perturbation=["clean", STUDY["blur"]],
        ),
        quality=f"results/measures/quality/{STUDY['dataset']}/{STUDY['blur']}.csv",
        paper=published("table_1"),
    output:
        **tables("table_1"),
        html=report(
            f"{RESULTS}/tables/table_1.html",
            caption="../report/table_1.rst",
            category="Robustness",
            labels={"figure": "Table I", "what": "Gaussian blur"},
        ),
    log:
        "results/logs/table_1.log",
    retries: 0
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        models=[model for model in STUDY["finetuned"] for _ in range(2)],
        filters=PERTURBATIONS[STUDY["blur"]].get("levels"),
        same_crop=[model for model in STUDY["finetuned"] if crop_of(model) == crop_of(STUDY["finetuned"][0])],
        images_asked=DATASETS[STUDY["dataset"]]["count"],
        choices=CHOICES,
        intervals=INTERVALS,
    script:
        "../scripts/table_1.py"


rule table_2:
    input:
        library=library("table_2"),
        accuracy=lambda wildcards: expand(
            "results/measures/accuracy/{model}/{dataset}/{perturbation}.csv",
            model=STUDY["corrupted"],
            dataset=STUDY["dataset"],
            perturbation=["clean", *(at_least(1, "corruptions") and corruptions_of(STUDY["corrupted"][0]))],
        ),
        paper=published("table_2"),
    output:
        **tables("table_2"),
        html=report(
            f"{RESULTS}/tables/table_2.html",
            caption="../report/table_2.rst",
            category="Robustness",
            labels={"figure": "Table II", "what": "fifteen corruptions"},
        ),
    log:
        "results/logs/table_2.log",
    retries: 0
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        models=lambda wildcards: [model for model in STUDY["corrupted"] for _ in ("clean", *corruptions_of(model))],
        perturbations=lambda wildcards: [
            name for model in STUDY["corrupted"] for name in ("clean", *corruptions_of(model))
        ],
        first=STUDY["finetuned"][0],
        sources={name: source_of(name) for name in STUDY["corruptions"]},
        small=MODELS[STUDY["corrupted"][0]]["preprocessing"]["crop"] <= 64,
        imagenet=settings.known_list(DATASETS[STUDY["dataset"]]["labels"]) == "imagenet-1k",
        choices=CHOICES,
        images_asked=DATASETS[STUDY["dataset"]]["count"],
        intervals=INTERVALS,
    script:
        "../scripts/table_2.py"


rule table_3:
    input:
        library=library("table_3"),
        alignment=expand(
            "results/measures/alignment/{model}/{dataset}/{perturbation}.csv",
            model=STUDY["finetuned"],
            dataset=STUDY["dataset"],
            perturbation=[STUDY["blur"], STUDY["occlusion"][0]],
        ),
        accuracy=expand(
            "results/measures/accuracy/{model}/{dataset}/{perturbation}.csv",
            model=STUDY["finetuned"],
            dataset=STUDY["dataset"],
            perturbation=["clean", STUDY["blur"], STUDY["occlusion"][0]],
        ),
        paper=published("table_3"),
    output:
        **tables("table_3"),
        html=report(
            f"{RESULTS}/tables/table_3.html",
            caption="../report/table_3.rst",
            category="Robustness",
            labels={"figure": "Table III", "what": "clean against perturbed embeddings"},
        ),
    log:
        "results/logs/table_3.log",
    retries: 0
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        models=STUDY["finetuned"],
        perturbations=[STUDY["blur"], STUDY["occlusion"][0]],
        images_asked=DATASETS[STUDY["dataset"]]["count"],
        choices=CHOICES,
        intervals=INTERVALS,
    script:
        "../scripts/table_3.py"


rule claims:
    input:
        library=library("claims"),
        claims=claims_file(),
        accuracy=lambda wildcards: expand(
            "results/measures/accuracy/{model}/{dataset}/{perturbation}.csv",
            model=STUDY["finetuned"][0],
            dataset=STUDY["dataset"],
            perturbation=["clean", STUDY["occlusion"][0], *corruptions_of(STUDY["finetuned"][0])],
        ),
        alignment=expand(
            "results/measures/alignment/{model}/{dataset}/{perturbation}.csv",
            model=STUDY["finetuned"][0],
            dataset=STUDY["dataset"],
            perturbation=[STUDY["blur"], STUDY["occlusion"][0]],
        ),
        shift=expand(
            "results/measures/shift/{model}/{dataset}/clean.csv",
            model=STUDY["finetuned"][0],
            dataset=SHIFTED_LISTS.values(),
        ),
        attention=of_layers("attention", "pretrained", perturbation="clean"),
        attention_supervised=of_layers("attention", "supervised", perturbation="clean"),
        separation=of_layers("separation", "pretrained", STUDY["mask"]),
        angles=of_layers("angles", "pretrained", STUDY["mask"]),
        features=f"results/measures/features/{STUDY['heads']}/{STUDY['dataset']}/{STUDY['blur']}.csv",
        mask_invariance=mask_variants if STUDY["mask_variants"] else [],
    output:
        **tables("claims"),
        html=report(
            f"{RESULTS}/tables/claims.html",
            caption="../report/claims.rst",
            category="Claims",
            labels={"figure": "Claims", "what": "what the paper says, and what holds here"},
        ),
    log:
        "results/logs/claims.log",
    retries: 0
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        perturbations=lambda wildcards: [
            "clean",
            STUDY["occlusion"][0],
            *corruptions_of(STUDY["finetuned"][0]),
        ],
        shifted=list(SHIFTED_LISTS),
        study={
            "blur": STUDY["blur"],
            "strongest": list(PERTURBATIONS[STUDY["blur"]]["levels"])[-1],
            "occlusion": STUDY["occlusion"][0],
            "sources": {name: source_of(name) for name in STUDY["corruptions"]},
            "images": settings.known_list(DATASETS[STUDY["dataset"]]["labels"]),
            "classes": CHOICES,
            "crop": MODELS[STUDY["pretrained"] or STUDY["finetuned"][0]]["preprocessing"]["crop"],
            "repeats_paper": bool(STUDY["paper"]),
        },
        convention=None,  # of sensitivity.smk
        intervals=INTERVALS,
    script:
        "../scripts/claims.py"


rule shifts:
    input:
        library=library("shifts"),
        claims=rules.claims.output.csv,
        mask_invariance=mask_variants if STUDY["mask_variants"] else [],
        paper=claims_file(),
        shift=expand(
            "results/measures/shift/{model}/{dataset}/clean.csv", model=STUDY["corrupted"], dataset=SHIFT_DATASETS
        ),
    output:
        **tables("shifts"),
        html=report(
            f"{RESULTS}/tables/shifts.html",
            caption="../report/shifts.rst",
            category="Claims",
            labels={"figure": "Shifts", "what": "distribution shift, mask invariance, the text"},
        ),
    log:
        "results/logs/shifts.log",
    retries: 0
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        models=[model for model in STUDY["corrupted"] for _ in SHIFT_DATASETS],
        datasets=SHIFT_DATASETS * len(STUDY["corrupted"]),
        first=STUDY["finetuned"][0],
        pairs=STUDY["shifts"],
        repeats_paper=bool(STUDY["paper"]),
        lists={dataset: name for name, dataset in SHIFTED_LISTS.items()},
        intervals=INTERVALS,
    script:
        "../scripts/shifts.py"


localrules:
    claims,
    shifts,
    table_1,
    table_2,
    table_3,
