# Figures: measures (CSV) -> results/{study}/figures. Each is a target by its file or by its rule's name.


rule figure_5:
    input:
        library=library("figure_5"),
        measures=[
            f"results/measures/accuracy/{model}/{STUDY['dataset']}/{perturbation}.csv"
            for model in STUDY["finetuned"]
            for perturbation in occlusions_of(model)
        ],
    output:
        pdf=f"{RESULTS}/figures/figure_5.pdf",
        png=report(
            f"{RESULTS}/figures/figure_5.png",
            caption="../report/figure_5.rst",
            category="Robustness",
            labels={"figure": "5", "what": "occlusion guided by attention"},
        ),
        numbers=f"{RESULTS}/figures/figure_5.csv",
    log:
        "results/logs/figure_5.log",
    retries: 0
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        models=[model for model in STUDY["finetuned"] for _ in occlusions_of(model)],
        perturbations=[name for model in STUDY["finetuned"] for name in occlusions_of(model)],
        orders={name: PERTURBATIONS[name] for name in STUDY["occlusion"]},
        among=CONFIG["analysis"]["among"],
        classes=DATASETS[STUDY["dataset"]]["classes"],
        labels=DATASETS[STUDY["dataset"]]["labels"],
        intervals=INTERVALS,
    script:
        "../scripts/figure_5.py"


rule figure_6:
    input:
        library=library("figure_6"),
        measure=f"results/measures/features/{STUDY['heads']}/{STUDY['dataset']}/{STUDY['blur']}.csv",
    output:
        pdf=f"{RESULTS}/figures/figure_6.pdf",
        png=report(
            f"{RESULTS}/figures/figure_6.png",
            caption="../report/figure_6.rst",
            category="Heads",
            labels={"figure": "6", "what": "common features under blur"},
        ),
        numbers=f"{RESULTS}/figures/figure_6.csv",
    log:
        "results/logs/figure_6.log",
    retries: 0
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        titles=panels(STUDY["blur"]),
    script:
        "../scripts/figure_6.py"


rule figure_7:
    input:
        library=library("figure_7"),
        measure=f"results/measures/features/{STUDY['heads']}/{STUDY['dataset']}/{STUDY['occlusion'][0]}.csv",
    output:
        pdf=f"{RESULTS}/figures/figure_7.pdf",
        png=report(
            f"{RESULTS}/figures/figure_7.png",
            caption="../report/figure_7.rst",
            category="Heads",
            labels={"figure": "7", "what": "common features under occlusion"},
        ),
        numbers=f"{RESULTS}/figures/figure_7.csv",
    log:
        "results/logs/figure_7.log",
    retries: 0
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        titles=panels(STUDY["occlusion"][0]),
    script:
        "../scripts/figure_7.py"


rule figure_8:
    input:
        library=library("figure_8"),
        measures=expand(
            "results/measures/features/{model}/{dataset}/{perturbation}.csv",
            model=STUDY["finetuned"],
            dataset=STUDY["dataset"],
            perturbation=[STUDY["blur"], STUDY["occlusion"][0]],
        ),
    output:
        pdf=f"{RESULTS}/figures/figure_8.pdf",
        png=report(
            f"{RESULTS}/figures/figure_8.png",
            caption="../report/figure_8.rst",
            category="Heads",
            labels={"figure": "8", "what": "features lost by level"},
        ),
        numbers=f"{RESULTS}/figures/figure_8.csv",
    log:
        "results/logs/figure_8.log",
    retries: 0
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        models=[model for model in STUDY["finetuned"] for _ in range(2)],
        perturbations=[STUDY["blur"], STUDY["occlusion"][0]] * len(STUDY["finetuned"]),
        titles={STUDY["blur"]: "level of blur", STUDY["occlusion"][0]: "patches occluded (%)"},
        intervals=INTERVALS,
    script:
        "../scripts/figure_8.py"


rule figure_1:
    input:
        library=library("figure_1"),
        tsne=masked("measures/tsne"),
        separation=masked("measures/separation"),
    output:
        pdf=f"{RESULTS}/figures/figure_1.pdf",
        png=report(
            f"{RESULTS}/figures/figure_1.png",
            caption="../report/figure_1.rst",
            category="Layer by layer",
            labels={"figure": "1", "what": "t-SNE of CLS and mean tokens by layer, and how well classes separate"},
        ),
        numbers=f"{RESULTS}/figures/figure_1.csv",
        seen=f"{RESULTS}/figures/figure_1.rst",
    log:
        "results/logs/figure_1.log",
    retries: 0
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    script:
        "../scripts/figure_1.py"


rule figure_2:
    input:
        library=library("figure_2"),
        tsne=masked("measures/tsne"),
        separation=masked("measures/separation"),
    output:
        pdf=f"{RESULTS}/figures/figure_2.pdf",
        png=report(
            f"{RESULTS}/figures/figure_2.png",
            caption="../report/figure_2.rst",
            category="Layer by layer",
            labels={"figure": "2", "what": "t-SNE of patch tokens by layer, and how well classes separate"},
        ),
        numbers=f"{RESULTS}/figures/figure_2.csv",
        seen=f"{RESULTS}/figures/figure_2.rst",
    log:
        "results/logs/figure_2.log",
    retries: 0
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    script:
        "../scripts/figure_2.py"


rule figure_3:
    input:
        library=library("figure_3"),
        measures=expand(
            "results/measures/attention/{model}/{dataset}/clean.csv",
            model=attention_of("models"),
            dataset=attention_of("datasets"),
        ),
    output:
        pdf=f"{RESULTS}/figures/figure_3.pdf",
        png=report(
            f"{RESULTS}/figures/figure_3.png",
            caption="../report/figure_3.rst",
            category="Layer by layer",
            labels={"figure": "3", "what": "attention distance of each head by layer"},
        ),
        numbers=f"{RESULTS}/figures/figure_3.csv",
        seen=f"{RESULTS}/figures/figure_3.rst",
    log:
        "results/logs/figure_3.log",
    retries: 0
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        models=lambda wildcards: named("pretrained") and attention_of("models"),
        datasets=attention_of("datasets"),
    script:
        "../scripts/figure_3.py"


rule figure_4:
    input:
        library=library("figure_4"),
        angles=masked("measures/angles"),
        singular_values=masked("measures/singular_values"),
    output:
        pdf=f"{RESULTS}/figures/figure_4.pdf",
        png=report(
            f"{RESULTS}/figures/figure_4.png",
            caption="../report/figure_4.rst",
            category="Layer by layer",
            labels={"figure": "4", "what": "angles between class subspaces by layer, and singular values"},
        ),
        numbers=f"{RESULTS}/figures/figure_4.csv",
        seen=f"{RESULTS}/figures/figure_4.rst",
    log:
        "results/logs/figure_4.log",
    retries: 0
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    params:
        centring=CONFIG["analysis"]["subspace"]["centring"],
    script:
        "../scripts/figure_4.py"


rule figure_masks:
    input:
        library=library("figure_masks"),
        measure=mask_variants,
    output:
        pdf=f"{RESULTS}/figures/figure_masks.pdf",
        png=report(
            f"{RESULTS}/figures/figure_masks.png",
            caption="../report/figure_masks.rst",
            category="Layer by layer",
            labels={"figure": "–", "what": "embeddings of one image under many masks"},
        ),
        numbers=f"{RESULTS}/figures/figure_masks.csv",
        seen=f"{RESULTS}/figures/figure_masks.rst",
    log:
        "results/logs/figure_masks.log",
    retries: 0
    conda:
        "../../envs/cpu.yaml"
    resources:
        login=1,
    script:
        "../scripts/figure_masks.py"


if TRAINED:

    rule training_curves:
        input:
            library=library("training_curves"),
            losses=expand("results/models/{model}.loss.csv", model=TRAINED),
        output:
            pdf=f"{RESULTS}/figures/training_curves.pdf",
            png=report(
                f"{RESULTS}/figures/training_curves.png",
                caption="../report/training_curves.rst",
                category="Models",
                labels={"figure": "–", "what": "training loss"},
            ),
        log:
            "results/logs/training_curves.log",
        retries: 0
        localrule: True
        conda:
            "../../envs/cpu.yaml"
        resources:
            login=1,
        params:
            models=[without_seed(model) for model in TRAINED],
            recipes={without_seed(model): MODELS[model]["training"]["recipe"] for model in TRAINED},
        script:
            "../scripts/training_curves.py"


if PRETRAINED_HERE:

    rule reconstruction:
        input:
            library=library("reconstruction"),
            images=images_of(STUDY["dataset"]),
            weights=lambda wildcards: weights_of(PRETRAINED_HERE[0]),
        output:
            pdf=f"{RESULTS}/figures/reconstruction.pdf",
            png=report(
                f"{RESULTS}/figures/reconstruction.png",
                caption="../report/reconstruction.rst",
                category="Models",
                labels={"figure": "–", "what": "what the masked autoencoder makes up"},
            ),
        log:
            "results/logs/reconstruction.log",
        conda:
            "../../envs/torch.yaml"
        resources:
            mem_mb=lambda wildcards, attempt: 4000 * attempt,
            runtime=20,
        params:
            name=PRETRAINED_HERE[0],
            model=lambda wildcards: architecture_of(PRETRAINED_HERE[0]),
            training=lambda wildcards: MODELS[PRETRAINED_HERE[0]]["training"],
            dataset=STUDY["dataset"],
            columns=8,
            seed=SEED,
        script:
            "../scripts/reconstruction.py"


localrules:
    figure_1,
    figure_2,
    figure_3,
    figure_4,
    figure_5,
    figure_6,
    figure_7,
    figure_8,
    figure_masks,
