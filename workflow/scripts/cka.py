"""Linear CKA of every two layers: of a model's images, perturbed or clean, and another's or its own clean ones."""

import numpy as np
import pandas as pd

from maescope import logs, similarity, store, tidy

logs.begin(snakemake)

params, names, frames = snakemake.params, snakemake.wildcards, []
files = store.token_files(params.labels, snakemake.input.tokens, params.config_hash)
others = store.token_files(params.labels, snakemake.input.other, params.other_hash)
for label in params.labels:
    (store.require_pair if names.model == names.other else store.require_same_images)(others[label], files[label])
for token in ("cls", "mean"):
    other = np.concatenate([file.read("clean", token) for file in others.values()], axis=1)  # (L, n, D)
    for level in files[params.labels[0]].levels:
        own = np.concatenate([file.read(level, token) for file in files.values()], axis=1)
        frames.append(similarity.table(own, other, params.seed).assign(level=level, token=token))
columns = ["level", "token", "layer", "other_layer", "cka", "debiased", "shuffled"]
tidy.write(pd.concat(frames)[columns], snakemake.output.measure)
