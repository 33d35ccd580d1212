"""Effective rank of the embeddings of all images, layer by layer, and that of noise of the same shape."""

import pandas as pd

from maescope.base import logs, seeds, tidy
from maescope.measures import effective_rank, embeddings
from maescope.tokens import store

logs.begin(snakemake)

params, rows = snakemake.params, []
files = store.token_files(params.labels, snakemake.input.tokens, params.config_hash)
first = files[params.labels[0]]
shape = sum(len(file.images) for file in files.values()), first.shape(first.levels[0], "mean")[-1]  # (n, D)
noise = effective_rank.effective_rank(seeds.generator(params.seed, "effective_rank").normal(size=shape))
for level in first.levels:
    for token in first.embeddings:
        for layer in range(1, first.shape(level, token)[0] + 1):
            own = embeddings.values(files, level, token, layer)  # (n, D)
            embeddings.warn_if_collapsed(own, token, layer)
            rank = effective_rank.effective_rank(own)
            rows.append({"level": level, "token": token, "layer": layer, "effective_rank": rank})
tidy.write(pd.DataFrame(rows).assign(noise=noise, most=min(shape)), snakemake.output.measure)
