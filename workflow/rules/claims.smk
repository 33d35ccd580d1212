# Claims: measures -> results/{study}/tables/claims.*, what the paper says against what was measured here.

# The paper's claims: those of the study's folder, else the project's own.
CLAIMS = f"{STUDY['paper']}/claims.csv" if STUDY["paper"] else of_project("config/paper/claims.csv")


rule claims:
    input:
        claims=CLAIMS,
        accuracy=look.claimed,
        alignment=look.measured("alignment", look.first, look.degradations),
        shift=look.shifted([look.first], look.shifted_lists().values()),
        attention=look.of_layers("attention", "pretrained", perturbation="clean"),
        attention_supervised=look.of_layers("attention", "supervised", perturbation="clean"),
        separation=look.of_layers("separation", "pretrained", STUDY["mask"]),
        angles=look.of_layers("angles", "pretrained", STUDY["mask"]),
        features=look.measured("features", STUDY["heads"], [look.blur]),
        mask_invariance=look.mask_variants if STUDY["mask_variants"] else [],
    output:
        **table("claims", "Claims", "Claims: what holds here"),
    log:
        f"{RESULTS}/logs/claims.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("claims/claims"),
        shifted=look.shifted_lists(),
        study={
            "blur": look.blur,
            "strongest": list(look.panels(look.blur))[-1] if look.blur else None,
            "occlusion": look.occlusion,
            "sources": look.sources(),
            "images": look.images_known(),
            "choices": look.choices,
            "outputs": look.outputs,
            "crop": look.models[STUDY["pretrained"] or look.first]["preprocessing"]["crop"],
            "repeats_paper": bool(STUDY["paper"]),
        },
        convention=None,  # of conventions.smk
        model=look.first,
        intervals=look.intervals,
    script:
        "../scripts/claims/claims.py"
