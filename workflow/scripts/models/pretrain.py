"""Pretrain a masked autoencoder on images held in memory."""

import pandas as pd
import torch

from maescope.base import logs, tidy
from maescope.images import addresses, reading
from maescope.models import architectures, checkpoints, mae, training

logs.begin(snakemake)
torch.set_num_threads(snakemake.threads)

spec, recipe = snakemake.params.model, snakemake.params.training
torch.manual_seed(recipe["seed"])
encoder = architectures.build(spec["architecture"], spec["arguments"])
architectures.require_input(encoder, spec["preprocessing"]["crop"], exact=True)
model = mae.MaskedAutoencoder(encoder, **{f"decoder_{key}": value for key, value in recipe["decoder"].items()})

rows = tidy.read([snakemake.input.images])
pixels = torch.from_numpy(reading.normalised(addresses.of(rows), reading.Preprocessing(**spec["preprocessing"])))
schedule = training.Schedule.of(recipe)
history = training.pretrain(model, pixels, recipe["mask_ratio"], schedule, recipe["seed"])

tidy.write(pd.DataFrame(history), snakemake.output.loss)
checkpoints.save(model.official_state_dict(), snakemake.output.weights, {"recipe": "pretrain"})
