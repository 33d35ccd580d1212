# The study page: figures, tables, measures and a few pictures -> results/{study}/study.html, one file that needs no other.

from types import SimpleNamespace

MASKED = bool(STUDY["pretrained"])
COMPARED = bool(STUDY["compared"])

# What it shows, in this order: a heading, and the rules whose figures and tables stand below it, if the study has them.
SHOWN = {
    "Layer by layer": {
        "figure_1": MASKED,
        "figure_2": MASKED,
        "figure_3": MASKED,
        "figure_4": MASKED,
        "figure_masks": STUDY["mask_variants"],
    },
    "Robustness": {
        "figure_5": True,
        "table_1": True,
        "table_2": STUDY["corruptions"],
        "table_3": True,
        "figure_classes": True,
    },
    "Heads": {"figure_6": True, "figure_7": True, "figure_8": True},
    "Claims": {"claims": True, "shifts": True},
    "Beyond the paper": {
        "figure_models": COMPARED,
        "figure_rank": COMPARED,
        "figure_eigenvalues": COMPARED,
        "figure_neural_collapse": COMPARED,
        "figure_cka": COMPARED,
        "figure_heads": COMPARED,
        "figure_class_attention": look.seen_by_cls,
        "figure_spectrum": look.seen_whole,
        "figure_high_norms": look.seen_whole,
        "figure_patches": look.seen_whole,
        "figure_out_of_distribution": COMPARED,
        "table_drift": COMPARED,
        "table_models": len(STUDY["finetuned"]) > 1,
    },
    "Models": {"training_curves": look.trained, "reconstruction": look.pretrained_here},
    "Sweep": dict.fromkeys(("figure_sweep", "figure_sweep_layers", "table_sweep", "sweep_claims"), STUDY["sweep"]),
}
SHOWN = {heading: [name for name, has in names.items() if has] for heading, names in SHOWN.items()}
RESULTS_SHOWN = [name for names in SHOWN.values() for name in names]


CAPTION_FILES = {name: of_project(f"workflow/report/{name}.rst") for name in RESULTS_SHOWN}


rule thumbnails:
    input:
        unpack(settled(f"{RESULTS}/thumbnails.json", images=look.images_of(STUDY["dataset"]))),
        tokens=look.followed_tokens,
        accuracy=look.measured("accuracy", look.first, ["clean", STUDY["blur"], look.occlusion]),
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
        entries={name: look.perturbations[name] for name in (STUDY["blur"], look.occlusion)},
        scores="rollout_cls" if look.perturbations[look.occlusion].get("rollout") == "cls" else "rollout",
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
        alignment=look.measured("alignment", look.first, [STUDY["blur"], look.occlusion]),
        features=look.measured("features", STUDY["heads"], [STUDY["blur"], look.occlusion]),
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
        titles={name: TITLES[name] for name in RESULTS_SHOWN},
        told={name: told(name, CAPTION_FILES[name]) for name in RESULTS_SHOWN},
        first=look.first,
        outputs=look.outputs,
        choices=look.choices,
        panels={name: look.panels(name) for name in (STUDY["blur"], look.occlusion)},
    script:
        "../scripts/page/study_page.py"
