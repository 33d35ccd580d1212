"""Linear CKA of layers: each with each of clean images, also of another model; perturbed ones with clean ones."""

import pandas as pd

from maescope.base import logs, tidy
from maescope.measures import cka, embeddings
from maescope.tokens import store

logs.begin(snakemake)

params, names, frames = snakemake.params, snakemake.wildcards, []
files = store.token_files(params.labels, snakemake.input.tokens, params.config_hash)
others = store.token_files(params.labels, snakemake.input.other, params.other_hash)
for label in params.labels:
    (store.require_pair if names.model == names.other else store.require_same_images)(others[label], files[label])
first, second = files[params.labels[0]], others[params.labels[0]]
for token in (kind for kind in first.embeddings if kind in second.embeddings):
    layers = range(1, second.shape("clean", token)[0] + 1)
    known = {layer: cka.prepared(embeddings.values(others, "clean", token, layer)) for layer in layers}
    for level in first.levels:
        for layer in range(1, first.shape(level, token)[0] + 1):
            own = embeddings.values(files, level, token, layer)  # (n, D)
            if level == "clean":  # others may be wholly occluded
                embeddings.warn_if_collapsed(own, token, layer)
            against = known if names.perturbation == "clean" else {layer: known[layer]}
            frames.append(cka.table(own, against).assign(level=level, token=token, layer=layer))
columns = ["level", "token", "layer", "other_layer", "cka", "debiased", "shuffled"]
tidy.write(pd.concat(frames)[columns], snakemake.output.measure)
