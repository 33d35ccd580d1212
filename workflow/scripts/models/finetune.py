"""Train a classifier: fine-tune a pretrained encoder or, without one, train the supervised baseline from scratch."""

import pandas as pd
import torch

from maescope.base import logs, tidy
from maescope.images import addresses, reading
from maescope.models import architectures, checkpoints, training

logs.begin(snakemake)
torch.set_num_threads(snakemake.threads)

spec, recipe = snakemake.params.model, snakemake.params.training
torch.manual_seed(recipe["seed"])
model = architectures.build(spec["architecture"], spec["arguments"], spec["num_classes"], spec["pooling"])
architectures.require_input(model, spec["preprocessing"]["crop"], exact=True)
if initial := snakemake.input.get("initial"):
    checkpoints.load_encoder(model, initial, snakemake.resources.initial_sha256, snakemake.params.initial_key)

rows = tidy.read([snakemake.input.images])
pixels = torch.from_numpy(reading.normalised(addresses.of(rows), reading.Preprocessing(**spec["preprocessing"])))
history = training.train_classifier(
    model,
    pixels,
    torch.tensor(rows["target"].to_numpy()),
    training.Schedule.of(recipe),
    recipe["seed"],
    layer_decay=recipe["layer_decay"] if initial else 1.0,
    smoothing=recipe["smoothing"],
)

tidy.write(pd.DataFrame(history), snakemake.output.loss)
checkpoints.save(model.state_dict(), snakemake.output.weights, {"recipe": recipe["recipe"]})
