"""How well a masked autoencoder makes up what it does not see, image by image."""

import pandas as pd
import torch

from maescope import images, logs, mae, models, perturb, reconstructions, tidy

logs.begin(snakemake)
torch.set_num_threads(snakemake.threads)

params, spec = snakemake.params, snakemake.params.model
rows = tidy.read([snakemake.input.images])
preprocessing = images.Preprocessing(**spec["preprocessing"])
mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (preprocessing.mean, preprocessing.std))
encoder = models.build(spec["architecture"], spec["arguments"])
model = mae.MaskedAutoencoder(encoder, **{f"decoder_{key}": value for key, value in params.decoder.items()}).eval()
model.load_official_state_dict(models.read_weights(snakemake.input.weights))
perturbation = perturb.build(params.perturbation, params.seed, params.dataset)
geometry = perturb.Geometry(encoder.patch_embed.grid_size, preprocessing.mean)
frames, start = [], 0
for pixels in images.batches(rows["path"].tolist(), params.batch_size, preprocessing):
    part = rows.iloc[start : (start := start + len(pixels))]
    batch = perturb.Batch(torch.from_numpy(pixels).float() / 255, part["image"].tolist())
    for level in perturbation.levels:
        visible = perturbation.apply(level, batch, geometry).visible
        pictures = mae.reconstruct(model, (batch.pixels - mean) / std, visible, preprocessing.mean, preprocessing.std)
        found = reconstructions.errors(*pictures, preprocessing.mean, params.low_frequencies)
        frames.append(part[["label", "image"]].assign(level=level, **found))
tidy.write(pd.concat(frames)[["level", *frames[0].columns.drop("level")]], snakemake.output.measure)
