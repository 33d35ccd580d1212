"""Embeddings of one image under many masks against those of different images, at the last layer."""

import numpy as np

from maescope.base import logs, tidy
from maescope.measures import embeddings, mask_invariance
from maescope.tokens import store

logs.begin(snakemake)

params = snakemake.params
files = store.token_files(params.labels, snakemake.input.tokens, params.config_hash)
first = next(iter(files.values()))
last = first.shape(first.levels[0], "mean")[0]
masked = [embeddings.collect(files, level, "mean", last) for level in first.levels]
names = masked[0].names
means = np.stack([one.values for one in masked])  # (masks, B, D)
tidy.write(mask_invariance.table(means, names["label"], names["image"]), snakemake.output.measure)
