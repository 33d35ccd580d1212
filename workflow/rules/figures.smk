# Figures: measures (CSV) -> results/{study}/figures. Each is a target by its file or by its rule's name.


rule figure_5:
    input:
        library=library("figure_5"),
        measures=expand(
            "results/measures/accuracy/{model}/{dataset}/{perturbation}.csv",
            model=STUDY["finetuned"],
            dataset=STUDY["dataset"],
            perturbation=STUDY["occlusion"],
        ),
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
    conda:
        "../../envs/cpu.yaml"
    params:
        models=[model for model in STUDY["finetuned"] for _ in STUDY["occlusion"]],
        perturbations=STUDY["occlusion"] * len(STUDY["finetuned"]),
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
    conda:
        "../../envs/cpu.yaml"
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
    conda:
        "../../envs/cpu.yaml"
    params:
        titles=panels(STUDY["occlusion"][0]),
    script:
        "../scripts/figure_7.py"


rule figure_8:
    input:
        library=library("figure_8"),
        measures=expand(
            "results/measures/features/{model}/{dataset}/{perturbation}.csv",
            model=STUDY["heads"],
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
    conda:
        "../../envs/cpu.yaml"
    params:
        titles={STUDY["blur"]: "level of blur", STUDY["occlusion"][0]: "patches occluded (%)"},
        intervals=INTERVALS,
    script:
        "../scripts/figure_8.py"


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
    conda:
        "../../envs/cpu.yaml"
    params:
        recipes={model: MODELS[model]["training"]["recipe"] for model in TRAINED},
    script:
        "../scripts/training_curves.py"


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
    params:
        model=lambda wildcards: architecture_of(PRETRAINED_HERE[0]),
        training=lambda wildcards: MODELS[PRETRAINED_HERE[0]]["training"],
        dataset=STUDY["dataset"],
        columns=8,
        seed=SEED,
    script:
        "../scripts/reconstruction.py"


localrules:
    figure_5,
    figure_6,
    figure_7,
    figure_8,
    training_curves,
    reconstruction,
