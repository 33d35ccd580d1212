"""PSNR and SSIM of perturbed images against the clean ones, image by image."""

import torch

from maescope.base import logs, tidy
from maescope.images import perturbations, reading
from maescope.measures import quality

logs.begin(snakemake)
torch.set_num_threads(snakemake.threads)

rows = tidy.read([snakemake.input.images])
preprocessing = reading.Preprocessing(**snakemake.params.preprocessing)
perturbation = perturbations.build(snakemake.params.perturbation, snakemake.params.seed, snakemake.params.dataset)
frames = quality.by_batch(rows, preprocessing, perturbation, workers=snakemake.threads)
tidy.write_parts(frames, snakemake.output.measure)
