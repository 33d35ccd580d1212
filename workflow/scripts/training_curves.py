"""Loss by epoch of every model that was trained here."""

from pathlib import Path

from maescope import logs, plots, tidy

logs.begin(snakemake)

names = {"pretrain": "masked pixels, MSE", "finetune": "cross-entropy", "scratch": "cross-entropy"}
losses = {Path(path).name.removesuffix(".loss.csv"): tidy.read([path]) for path in snakemake.input.losses}
descriptions = {model: names[recipe] for model, recipe in snakemake.params.recipes.items()}
plots.save(plots.training_curves(losses, descriptions), snakemake.output.pdf, snakemake.output.png)
