"""PSNR and SSIM of perturbed images against the clean ones, image by image."""

import pandas as pd
import torch

from maescope.base import logs, tidy
from maescope.images import addresses, perturbations, reading
from maescope.measures import quality

logs.begin(snakemake)
torch.set_num_threads(snakemake.threads)

rows = tidy.read([snakemake.input.images])
preprocessing = reading.Preprocessing(**snakemake.params.preprocessing)
perturbation = perturbations.build(snakemake.params.perturbation, snakemake.params.seed, snakemake.params.dataset)
frames, start = [], 0
for pixels in reading.batches(addresses.of(rows), 64, preprocessing):
    part = rows.iloc[start : (start := start + len(pixels))]
    batch = perturbations.Batch(torch.from_numpy(pixels).float() / 255, part["image"].tolist())
    for level in perturbation.levels:
        perturbed = perturbation.apply(level, batch, geometry=None).pixels
        frame = part[["label", "image"]].assign(level=level, **quality.compare(batch.pixels, perturbed))
        frames.append(frame[["level", "label", "image", "psnr_db", "ssim"]])
tidy.write(pd.concat(frames), snakemake.output.measure)
