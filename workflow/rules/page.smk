# The study page: figures, tables, measures and a few pictures -> results/{study}/study.html, one file that needs no other.

from types import SimpleNamespace

MASKED = bool(STUDY["pretrained"]) or "study.pretrained is not set"
BLURRED = bool(look.blur) or "study.blur names no perturbation"
OCCLUDED = bool(look.occlusion) or "study.occlusion names no perturbation"
DEGRADED = bool(look.degradations) or "neither study.blur nor study.occlusion names a perturbation"
COMPARED = bool(STUDY["compared"]) or "study.compared names no model"
DRIFTING = DEGRADED if COMPARED is True else COMPARED
SEEN_WHOLE = bool(look.seen_whole) or "no model of study.compared has clean among its patch_tokens"

# What it shows, in this order: a heading, and the rules whose figures and tables stand below it, if the study has them;
# where it has not, it says why, or nothing of what few studies have.
PARTS = {
    "Layer by layer": {
        "figure_1": MASKED,
        "figure_2": MASKED,
        "figure_3": MASKED,
        "figure_4": MASKED,
        "figure_masks": bool(STUDY["mask_variants"]) or "study.mask_variants is not set",
    },
    "Robustness": {
        "figure_5": OCCLUDED,
        "table_1": BLURRED,
        "table_2": bool(STUDY["corruptions"]) or "study.corruptions names no perturbation",
        "table_3": DEGRADED,
        "figure_classes": True,
    },
    "Heads": {"figure_6": BLURRED, "figure_7": OCCLUDED, "figure_8": DEGRADED},
    "Claims": {"claims": True, "shifts": True},
    "Beyond the paper": {
        "figure_models": COMPARED,
        "figure_rank": COMPARED,
        "figure_eigenvalues": COMPARED,
        "figure_neural_collapse": COMPARED,
        "figure_cka": COMPARED,
        "figure_heads": COMPARED,
        "figure_class_attention": bool(look.seen_by_cls)
        or "no model of study.compared has CLS and clean among its patch_tokens",
        "figure_spectrum": SEEN_WHOLE,
        "figure_high_norms": SEEN_WHOLE,
        "figure_patches": SEEN_WHOLE,
        "figure_out_of_distribution": look.told_apart or DRIFTING,
        "table_drift": DRIFTING,
        "table_models": len(STUDY["finetuned"]) > 1 or "study.finetuned names one model only",
    },
    "Models": {"training_curves": bool(look.trained), "reconstruction": bool(look.pretrained_here)},
    "Sweep": dict.fromkeys(
        ("figure_sweep", "figure_sweep_layers", "table_sweep", "sweep_claims"), bool(STUDY["sweep"])
    ),
}
SHOWN = {heading: [name for name, has in names.items() if has is True] for heading, names in PARTS.items()}
LEFT_OUT = {
    heading: {
        why: [TITLES[name] for name, has in names.items() if has == why]
        for why in dict.fromkeys(has for has in names.values() if isinstance(has, str))
    }
    for heading, names in PARTS.items()
}
RESULTS_SHOWN = [name for names in SHOWN.values() for name in names]


CAPTION_FILES = {name: of_project(f"workflow/report/{name}.rst") for name in RESULTS_SHOWN}


rule thumbnails:
    input:
        unpack(settled(f"{RESULTS}/thumbnails.json", images=look.images_of(STUDY["dataset"]))),
        tokens=look.followed_tokens,
        accuracy=look.measured("accuracy", look.first, ["clean", *look.degradations]),
    output:
        pictures=f"{RESULTS}/thumbnails.json",
    log:
        f"{RESULTS}/logs/thumbnails.log",
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=20,
    params:
        code=code("page/thumbnails"),
        dataset=STUDY["dataset"],
        preprocessing=look.models[look.first]["preprocessing"],
        entries={name: look.perturbations[name] for name in look.degradations},
        scores="rollout_cls" if look.ranked_by_cls else "rollout",
        config_hash=look.followed_hashes,
        labels=look.followed,
        all_labels=look.datasets[STUDY["dataset"]]["labels"],
        outputs=look.outputs,
        among=ANALYSIS["among"],
        shown=look.shown(SimpleNamespace(dataset=STUDY["dataset"])) if MASKED else [],
        each=STUDY["tsne"]["images"],
        seed=SEED,
    script:
        "../scripts/page/thumbnails.py"


rule study_page:
    input:
        template=of_project("workflow/page/study.html"),
        style=of_project("workflow/page/study.css"),
        behaviour=of_project("workflow/page/study.js"),
        captions=[*CAPTION_FILES.values()],
        results=[path for name in RESULTS_SHOWN for path in getattr(rules, name).output],
        overview=f"{RESULTS}/overview.html",
        claims=f"{RESULTS}/tables/claims.csv",
        accuracy=look.conditions,
        alignment=look.measured("alignment", look.first, look.degradations),
        features=look.measured("features", STUDY["heads"], look.degradations),
        tsne=look.of_layers("tsne", "pretrained", STUDY["mask"]),
        pictures=f"{RESULTS}/thumbnails.json" if STUDY["thumbnails"] else [],
    output:
        page=f"{RESULTS}/study.html",
    log:
        f"{RESULTS}/logs/study_page.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("page/study_page"),
        study={key: STUDY.get(key) for key in ("name", "title", "authors", "note", "pretrained", "mask", "heads")},
        names=CONFIG.get("names", {}).get(STUDY["dataset"], {}),
        shown=SHOWN,
        left_out=LEFT_OUT,
        titles={name: TITLES[name] for name in RESULTS_SHOWN},
        told={name: told(name, CAPTION_FILES[name]) for name in RESULTS_SHOWN},
        first=look.first,
        outputs=look.outputs,
        choices=look.choices,
        intervals=look.intervals,
        panels={name: look.panels(name) for name in look.degradations},
    script:
        "../scripts/page/study_page.py"
