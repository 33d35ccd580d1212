"""Loss by epoch of every model that was trained here."""

from maescope import logs, plots, tidy

logs.begin(snakemake)

names = {"pretrain": "masked pixels, MSE", "finetune": "cross-entropy", "scratch": "cross-entropy"}
losses = {}
for path, model in zip(snakemake.input.losses, snakemake.params.models, strict=True):
    losses.setdefault(model, []).append(tidy.read([path]))
descriptions = {model: names[recipe] for model, recipe in snakemake.params.recipes.items()}
plots.save(plots.training_curves(losses, descriptions), snakemake.output.pdf, snakemake.output.png)
