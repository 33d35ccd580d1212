"""Train a classifier from scratch: the supervised baseline."""

import pandas as pd
import torch

from maescope import images, logs, models, tidy, training

logs.begin(snakemake)
torch.set_num_threads(snakemake.threads)

spec, recipe = snakemake.params.model, snakemake.params.training
rows = tidy.read([snakemake.input.images])
pixels = torch.from_numpy(images.normalised(rows["path"], images.Preprocessing(**spec["preprocessing"])))

torch.manual_seed(recipe["seed"])
model = models.build(spec["architecture"], spec["arguments"], spec["num_classes"], spec["pooling"])
history = training.train_classifier(
    model,
    pixels,
    torch.tensor(rows["target"].to_numpy()),
    training.Schedule.of(recipe),
    recipe["seed"],
    smoothing=recipe["smoothing"],
)

tidy.write(pd.DataFrame(history), snakemake.output.loss)
models.save(model.state_dict(), snakemake.output.weights, {"recipe": "scratch"})
