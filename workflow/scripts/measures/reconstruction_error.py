"""How well a masked autoencoder makes up what it does not see, image by image."""

import pandas as pd
import torch

from maescope.base import logs, tidy
from maescope.images import addresses, perturbations, reading
from maescope.measures import reconstruction_error
from maescope.models import architectures, checkpoints, mae

logs.begin(snakemake)
torch.set_num_threads(snakemake.threads)

params, spec = snakemake.params, snakemake.params.model
rows = tidy.read([snakemake.input.images])
preprocessing = reading.Preprocessing(**spec["preprocessing"])
mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (preprocessing.mean, preprocessing.std))
encoder = architectures.build(spec["architecture"], spec["arguments"])
model = mae.MaskedAutoencoder(encoder, **{f"decoder_{key}": value for key, value in params.decoder.items()}).eval()
model.load_official_state_dict(checkpoints.read_weights(snakemake.input.weights))
perturbation = perturbations.build(params.perturbation, params.seed, params.dataset)
geometry = perturbations.Geometry(encoder.patch_embed.grid_size, preprocessing.mean)
frames, start = [], 0
for pixels in reading.batches(addresses.of(rows), params.batch_size, preprocessing):
    part = rows.iloc[start : (start := start + len(pixels))]
    batch = perturbations.Batch(torch.from_numpy(pixels).float() / 255, part["image"].tolist())
    for level in perturbation.levels:
        visible = perturbation.apply(level, batch, geometry).visible
        images, colours = (batch.pixels - mean) / std, (preprocessing.mean, preprocessing.std)
        pictures = mae.reconstruct(model, images, visible, *colours, params.normalised)
        found = reconstruction_error.errors(*pictures, preprocessing.mean, params.low_frequencies)
        frames.append(part[["label", "image"]].assign(level=level, **found))
tidy.write(pd.concat(frames)[["level", *frames[0].columns.drop("level")]], snakemake.output.measure)
