"""Share of patch tokens of outlying norm by layer and place, on clean images."""

from itertools import chain

import pandas as pd

from maescope.base import grid, logs, tidy
from maescope.measures import high_norms
from maescope.tokens import store

logs.begin(snakemake)

params, frames = snakemake.params, []
files = store.token_files(params.labels, snakemake.input.tokens, params.config_hash)
first = files[params.labels[0]]
layers, _, patches, _ = first.shape("clean", "patch")
shape = grid.shape(patches, params.crop)
for level in first.levels:
    for layer in range(1, layers + 1):
        blocks = chain.from_iterable(file.blocks(level, "patch", layer) for file in files.values())
        frames.append(high_norms.table(high_norms.norms(blocks), shape).assign(level=level, layer=layer))
columns = ["level", "layer", "patch_row", "patch_column", "share", "gaussian", "threshold", "ratio"]
tidy.write(pd.concat(frames)[columns], snakemake.output.measure)
