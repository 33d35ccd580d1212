# Figures: measures (CSV) -> results/{study}/figures. Each is a target by its file or by its rule's name.


rule figure_1:
    input:
        tsne=look.masked("tsne"),
        separation=look.masked("separation"),
    output:
        **figure(
            "figure_1",
            "Layer by layer",
            "t-SNE of CLS and mean tokens by layer, and how well classes separate",
            "1",
            "numbers",
            "seen",
        ),
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
    script:
        "../scripts/figures/figure_1.py"


rule figure_2:
    input:
        tsne=look.masked("tsne"),
        separation=look.masked("separation"),
    output:
        **figure(
            "figure_2",
            "Layer by layer",
            "t-SNE of patch tokens by layer, and how well classes separate",
            "2",
            "numbers",
            "seen",
        ),
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
    script:
        "../scripts/figures/figure_2.py"


rule figure_3:
    input:
        measures=look.figure_3,
    output:
        **figure("figure_3", "Layer by layer", "attention distance of each head by layer", "3", "numbers", "seen"),
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
        **figure(
            "figure_4",
            "Layer by layer",
            "angles between class subspaces by layer, and singular values",
            "4",
            "numbers",
            "seen",
        ),
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
    script:
        "../scripts/figures/figure_4.py"


rule figure_masks:
    input:
        measure=look.mask_variants,
    output:
        **figure("figure_masks", "Layer by layer", "embeddings of one image under many masks", "–", "numbers", "seen"),
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
        measures=look.occlusions(),
    output:
        **figure("figure_5", "Robustness", "occlusion guided by attention", "5", "numbers"),
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
        choices=look.choices,
        intervals=look.intervals,
    script:
        "../scripts/figures/figure_5.py"


rule figure_6:
    input:
        measure=look.measure("features", STUDY["heads"], STUDY["blur"]),
    output:
        **figure("figure_6", "Heads", "common features under blur", "6", "numbers"),
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
        titles=look.panels(STUDY["blur"]),
    script:
        "../scripts/figures/figure_6.py"


use rule figure_6 as figure_7 with:
    input:
        measure=look.measure("features", STUDY["heads"], look.occlusion),
    output:
        **figure("figure_7", "Heads", "common features under occlusion", "7", "numbers"),
    log:
        f"{RESULTS}/logs/figure_7.log",
    params:
        titles=look.panels(look.occlusion),


localrules:
    figure_7,


rule figure_8:
    input:
        measures=look.measured("features", STUDY["finetuned"], [STUDY["blur"], look.occlusion]),
    output:
        **figure("figure_8", "Heads", "features lost by level", "8", "numbers"),
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
        titles={STUDY["blur"]: "level of blur", look.occlusion: "patches occluded (%)"},
        intervals=look.intervals,
    script:
        "../scripts/figures/figure_8.py"


# ---- Beyond the paper: clean images of the models that study.compared names; for CKA blurred and occluded ones as well


rule figure_cka:
    input:
        measures=look.alike,
    output:
        **figure(
            "figure_cka",
            "Beyond the paper",
            "linear CKA of layers, of models, of clean and perturbed images",
            "–",
            "numbers",
        ),
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
        **figure(
            "figure_models",
            "Beyond the paper",
            "how well classes separate by layer, models side by side",
            "–",
            "numbers",
        ),
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
    script:
        "../scripts/figures/figure_models.py"


rule figure_rank:
    input:
        measures=look.compared("effective_rank", STUDY["compared"]),
    output:
        **figure("figure_rank", "Beyond the paper", "effective rank of embeddings by layer", "–", "numbers"),
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
        **figure("figure_spectrum", "Beyond the paper", "spatial frequencies of patch tokens by layer", "–", "numbers"),
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
        **figure("figure_heads", "Beyond the paper", "entropy and mutual information of attention", "–", "numbers"),
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
        measures=look.compared("class_attention", look.seen_whole),
    output:
        **figure(
            "figure_class_attention", "Beyond the paper", "what the CLS token of each head looks at", "–", "numbers"
        ),
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
    script:
        "../scripts/figures/figure_class_attention.py"


# ---- What the models trained here have learned

if look.trained:

    rule training_curves:
        input:
            losses=expand("results/models/{model}.loss.csv", model=look.trained),
        output:
            **figure("training_curves", "Models", "training loss"),
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
            images=look.images_of(STUDY["dataset"]),
            weights=look.weights_of(look.pretrained_here[0]),
        output:
            **figure("reconstruction", "Models", "what the masked autoencoder makes up"),
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
