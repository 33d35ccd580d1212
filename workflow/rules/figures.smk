# Figures: measures -> results/{study}/figures. Each is a target by its file or by its rule's name.


rule figure_1:
    input:
        tsne=look.masked("tsne"),
        separation=look.masked("separation"),
    output:
        **figure("figure_1", "Layer by layer", "Figure 1: t-SNE of CLS and mean tokens", "numbers", "seen"),
    log:
        f"{RESULTS}/logs/figure_1.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("figures/figure_1"),
        seen=look.seen_as(STUDY["pretrained"], STUDY["mask"]),
        names=look.names,
        confidence=ANALYSIS["confidence"],
    script:
        "../scripts/figures/figure_1.py"


rule figure_2:
    input:
        tsne=look.masked("tsne"),
        separation=look.masked("separation"),
    output:
        **figure("figure_2", "Layer by layer", "Figure 2: t-SNE of patch tokens", "numbers", "seen"),
    log:
        f"{RESULTS}/logs/figure_2.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("figures/figure_2"),
        seen=look.seen_as(STUDY["pretrained"], STUDY["mask"]),
        names=look.names,
        confidence=ANALYSIS["confidence"],
    script:
        "../scripts/figures/figure_2.py"


rule figure_3:
    input:
        measures=look.figure_3,
    output:
        **figure("figure_3", "Layer by layer", "Figure 3: attention distance by layer", "numbers", "seen"),
    log:
        f"{RESULTS}/logs/figure_3.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("figures/figure_3"),
    script:
        "../scripts/figures/figure_3.py"


rule figure_4:
    input:
        angles=look.masked("angles"),
        singular_values=look.masked("singular_values"),
    output:
        **figure("figure_4", "Layer by layer", "Figure 4: angles between class subspaces", "numbers", "seen"),
    log:
        f"{RESULTS}/logs/figure_4.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("figures/figure_4"),
        seen=look.seen_as(STUDY["pretrained"], STUDY["mask"]),
        centring=ANALYSIS["subspace"]["centring"],  # for the caption
    script:
        "../scripts/figures/figure_4.py"


rule figure_masks:
    input:
        measure=look.mask_variants,
    output:
        **figure("figure_masks", "Layer by layer", "One image under many masks", "numbers", "seen"),
    log:
        f"{RESULTS}/logs/figure_masks.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("figures/figure_masks"),
    script:
        "../scripts/figures/figure_masks.py"


rule figure_5:
    input:
        measures=look.occlusions,
    output:
        **figure("figure_5", "Robustness", "Figure 5: occlusion guided by attention", "numbers"),
    log:
        f"{RESULTS}/logs/figure_5.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("figures/figure_5"),
        orders={name: look.perturbations[name] for name in STUDY["occlusion"]},
        outputs=look.outputs,
        choices=look.choices,
        intervals=look.intervals,
    script:
        "../scripts/figures/figure_5.py"


rule figure_classes:
    input:
        accuracy=look.measured("accuracy", STUDY["finetuned"], "clean"),
    output:
        **figure("figure_classes", "Robustness", "Accuracy by class, and confusions", "numbers"),
    log:
        f"{RESULTS}/logs/figure_classes.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("figures/figure_classes"),
        names=look.names,
        outputs=look.outputs,
        choices=look.choices,
        intervals=look.intervals,
    script:
        "../scripts/figures/figure_classes.py"


rule figure_6:
    input:
        measure=look.under("blur", "features", STUDY["heads"]),
    output:
        **figure("figure_6", "Heads", "Figure 6: common features under blur", "numbers"),
    log:
        f"{RESULTS}/logs/figure_6.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("figures/figure_6"),
        seen=look.seen_as(STUDY["heads"], look.blur),
        titles=look.panels(look.blur),
    script:
        "../scripts/figures/figure_6.py"


use rule figure_6 as figure_7 with:
    input:
        measure=look.under("occlusion", "features", STUDY["heads"]),
    output:
        **figure("figure_7", "Heads", "Figure 7: common features under occlusion", "numbers"),
    log:
        f"{RESULTS}/logs/figure_7.log",
    params:
        seen=look.seen_as(STUDY["heads"], look.occlusion),
        titles=look.panels(look.occlusion),


localrules:
    figure_7,


rule figure_8:
    input:
        measures=look.degraded("features", STUDY["finetuned"]),
    output:
        **figure("figure_8", "Heads", "Figure 8: features lost by level", "numbers"),
    log:
        f"{RESULTS}/logs/figure_8.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("figures/figure_8"),
        titles={name: "level of blur" if name == look.blur else "patches occluded (%)" for name in look.degradations},
        intervals=look.intervals,
    script:
        "../scripts/figures/figure_8.py"


# ---- Beyond the paper: clean images of the models that study.compared names; for CKA blurred and occluded ones as well


rule figure_cka:
    input:
        measures=look.alike,
    output:
        **figure("figure_cka", "Beyond the paper", "Linear CKA", "numbers"),
    log:
        f"{RESULTS}/logs/figure_cka.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("figures/figure_cka"),
    script:
        "../scripts/figures/figure_cka.py"


rule figure_models:
    input:
        measures=look.compared("separation", STUDY["compared"]),
    output:
        **figure("figure_models", "Beyond the paper", "Separation of classes by layer", "numbers"),
    log:
        f"{RESULTS}/logs/figure_models.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("figures/figure_models"),
        confidence=ANALYSIS["confidence"],
    script:
        "../scripts/figures/figure_models.py"


rule figure_rank:
    input:
        measures=look.compared("effective_rank", STUDY["compared"]),
    output:
        **figure("figure_rank", "Beyond the paper", "Effective rank by layer", "numbers"),
    log:
        f"{RESULTS}/logs/figure_rank.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("figures/figure_rank"),
    script:
        "../scripts/figures/figure_rank.py"


rule figure_spectrum:
    input:
        measures=look.compared("spectrum", look.seen_whole),
    output:
        **figure("figure_spectrum", "Beyond the paper", "Spatial frequencies by layer", "numbers"),
    log:
        f"{RESULTS}/logs/figure_spectrum.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("figures/figure_spectrum"),
    script:
        "../scripts/figures/figure_spectrum.py"


rule figure_heads:
    input:
        measures=look.compared("attention", STUDY["compared"]),
    output:
        **figure("figure_heads", "Beyond the paper", "Entropy of attention", "numbers"),
    log:
        f"{RESULTS}/logs/figure_heads.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("figures/figure_heads"),
    script:
        "../scripts/figures/figure_heads.py"


rule figure_class_attention:
    input:
        measures=look.compared("class_attention", look.seen_by_cls),
    output:
        **figure("figure_class_attention", "Beyond the paper", "What CLS looks at", "numbers"),
    log:
        f"{RESULTS}/logs/figure_class_attention.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        code=code("figures/figure_class_attention"),
        left_out=[model for model in look.seen_whole if model in look.without_cls],  # for the caption
    script:
        "../scripts/figures/figure_class_attention.py"


# ---- What the models trained here have learned

if look.trained:

    rule training_curves:
        input:
            losses=expand("results/models/{model}.loss.csv", model=look.trained),
        output:
            **figure("training_curves", "Models", "Training loss", "numbers"),
        log:
            f"{RESULTS}/logs/training_curves.log",
        retries: 0
        localrule: True
        conda:
            "../../envs/cpu.yaml"
        resources:
            login=1,
        params:
            code=code("figures/training_curves"),
            names={model: look.without_seed(model, config["models"]) for model in look.trained},
            recipes={model: look.models[model]["training"]["recipe"] for model in look.trained},
        script:
            "../scripts/figures/training_curves.py"


if look.pretrained_here:

    rule reconstruction:
        input:
            unpack(
                settled(
                    f"{RESULTS}/figures/reconstruction.png",
                    images=look.images_of(STUDY["dataset"]),
                    weights=look.weights_of(look.pretrained_here[0]),
                )
            ),
        output:
            **figure("reconstruction", "Models", "Reconstructions", "numbers"),
        log:
            f"{RESULTS}/logs/reconstruction.log",
        conda:
            "../../envs/torch.yaml"
        resources:
            mem_mb=growing(4000),
            runtime=20,
        params:
            code=code("figures/reconstruction"),
            name=look.pretrained_here[0],
            model=look.architecture_of(look.pretrained_here[0]),
            training=look.models[look.pretrained_here[0]]["training"],
            dataset=STUDY["dataset"],
            columns=8,
            seed=SEED,
        script:
            "../scripts/figures/reconstruction.py"
