"""Embeddings of one image under many masks against those of different images, at the last layer."""

import numpy as np

from maescope import invariance, logs, points, store, tidy

logs.begin(snakemake)

params = snakemake.params
files = store.token_files(params.labels, snakemake.input.tokens, params.config_hash)
first = next(iter(files.values()))
last = first.shape(first.levels[0], "mean")[0]
masked = [points.collect(files, level, "mean", last) for level in first.levels]
names = masked[0].names
means = np.stack([one.values for one in masked])  # (masks, B, D)
tidy.write(invariance.table(means, names["label"], names["image"]), snakemake.output.measure)
