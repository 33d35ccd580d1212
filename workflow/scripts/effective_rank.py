"""Effective rank of the embeddings of all images, layer by layer, and that of noise of the same shape."""

import pandas as pd

from maescope import logs, points, rank, seeds, store, tidy

logs.begin(snakemake)

params, rows = snakemake.params, []
files = store.token_files(params.labels, snakemake.input.tokens, params.config_hash)
first = files[params.labels[0]]
for level in first.levels:
    for token in ("cls", "mean"):
        for layer in range(1, first.shape(level, token)[0] + 1):
            values = points.collect(files, level, token, layer).values  # (n, D)
            noise = seeds.generator(params.seed, "effective_rank").normal(size=values.shape)
            ranks = {"effective_rank": rank.effective_rank(values), "noise": rank.effective_rank(noise)}
            rows.append({"level": level, "token": token, "layer": layer, **ranks, "most": min(values.shape)})
tidy.write(pd.DataFrame(rows), snakemake.output.measure)
