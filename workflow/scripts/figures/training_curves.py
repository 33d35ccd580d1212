"""Loss by epoch of every model that was trained here."""

import pandas as pd

from maescope.base import logs, tidy
from maescope.figures import style, training

logs.begin(snakemake)

params = snakemake.params
words = {"pretrain": "masked pixels, MSE"}  # with labels all have cross-entropy
losses = {}
for path in snakemake.input.losses:
    losses.setdefault(params.names[tidy.told_by(path, "model")], []).append(tidy.read([path], "model"))
numbers = pd.concat([loss for seeds in losses.values() for loss in seeds])
descriptions = {params.names[model]: words.get(recipe, "cross-entropy") for model, recipe in params.recipes.items()}
style.save(training.training_curves(losses, descriptions), snakemake.output.pdf, snakemake.output.png)
tidy.write(numbers[["model", *numbers.columns.drop("model")]], snakemake.output.numbers)
