"""t-SNE maps of CLS, mean-patch and patch tokens, layer by layer."""

from itertools import product

import pandas as pd

from maescope.base import logs, tidy
from maescope.measures import embeddings, tsne
from maescope.tokens import store

logs.begin(snakemake)

params = snakemake.params
files = store.token_files(params.labels, snakemake.input.tokens, params.config_hash)
first = next(iter(files.values()))
layers = range(1, first.shape(first.levels[0], "mean")[0] + 1)
kinds = list(product(("patch", *reversed(first.embeddings)), layers))  # the longest first
sets = {kind: embeddings.collect(files, first.levels[0], *kind, params.images) for kind in kinds}
sets = embeddings.told_apart(sets)
values = [one.values for one in sets.values()]
maps = tsne.side_by_side(values, params.seed, params.perplexity, snakemake.threads)
frames = [
    one.names.assign(token=token, layer=layer, x=flat[:, 0], y=flat[:, 1])
    for ((token, layer), one), flat in zip(sets.items(), maps, strict=True)
]
columns = ["token", "layer", "label", "image", "patch", "x", "y"]
tidy.write(pd.concat(frames or [pd.DataFrame(columns=columns)])[columns], snakemake.output.measure)
