"""Effective rank and eigenvalues of the embeddings of all images, layer by layer, beside noise of the same shape."""

import pandas as pd

from maescope.base import logs, seeds, tidy
from maescope.measures import effective_rank, eigenvalues, embeddings
from maescope.tokens import store

logs.begin(snakemake)

params, rows = snakemake.params, []
files = store.token_files(params.labels, snakemake.input.tokens, params.config_hash)
first = files[params.labels[0]]
shape = sum(len(file.images) for file in files.values()), first.shape(first.levels[0], "mean")[-1]  # (n, D)
noise = seeds.generator(params.seed, "effective_rank").normal(size=shape)
of_noise = {"noise": effective_rank.effective_rank(noise), "most": min(shape)}
of_noise |= {f"noise_{name}": value for name, value in eigenvalues.summary(noise).items()}
for level in first.levels:
    for token in first.embeddings:
        for layer in range(1, first.shape(level, token)[0] + 1):
            own = embeddings.values(files, level, token, layer)  # (n, D)
            embeddings.warn_if_collapsed(own, token, layer)
            rank = effective_rank.effective_rank(own)
            row = {"level": level, "token": token, "layer": layer, "effective_rank": rank}
            rows.append(row | eigenvalues.summary(own))
tidy.write(pd.DataFrame(rows).assign(**of_noise), snakemake.output.measure)
