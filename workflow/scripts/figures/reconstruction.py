"""Masked input, reconstruction and original of one image of each of the first classes."""

import torch

from maescope.base import logs, tidy
from maescope.figures import style, training
from maescope.images import addresses, perturbations, reading
from maescope.models import architectures, checkpoints, mae

logs.begin(snakemake)
torch.set_num_threads(snakemake.threads)

params, recipe, spec = snakemake.params, snakemake.params.training, snakemake.params.model
rows = tidy.read([snakemake.input.images]).groupby("label", sort=False).head(1).head(params.columns)
preprocessing = reading.Preprocessing(**spec["preprocessing"])
pixels = torch.from_numpy(reading.normalised(addresses.of(rows), preprocessing))

encoder = architectures.build(spec["architecture"], spec["arguments"])
model = mae.MaskedAutoencoder(encoder, **{f"decoder_{key}": value for key, value in recipe["decoder"].items()})
model.load_official_state_dict(checkpoints.read_weights(snakemake.input.weights))
patches = encoder.patch_embed.num_patches
visible = perturbations.visible_patches(rows["image"], patches, recipe["mask_ratio"], params.seed, params.dataset, 1)
normalised = recipe["norm_pix_loss"]
shown = torch.from_numpy(visible)
pictures = mae.reconstruct(model.eval(), pixels, shown, preprocessing.mean, preprocessing.std, normalised)
title = f"{params.name}: {100 * recipe['mask_ratio']:g} % of the patches hidden"
figure = training.reconstruction(*pictures, rows["label"].tolist(), title)
style.save(figure, snakemake.output.pdf, snakemake.output.png)
numbers = rows[["label", "image"]].assign(**training.reconstruction_errors(*pictures, preprocessing.mean))
tidy.write(numbers, snakemake.output.numbers)
