"""Linear CKA of layers: each with each of clean images, also of another model; perturbed ones with clean ones."""

from functools import partial

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
own, clean = (partial(embeddings.values, side) for side in (files, others))
for token in (kind for kind in first.embeddings if kind in second.embeddings):
    depth, other_depth = (side.shape(side.levels[0], token)[0] for side in (first, second))
    if names.perturbation == "clean":
        for layer in range(1, depth + 1):  # others may be wholly occluded
            embeddings.warn_if_collapsed(own("clean", token, layer), token, layer)
        found = cka.of_clean(own, clean, token, depth, other_depth)
    else:
        found = cka.of_perturbed(own, clean, token, first.levels, depth)
    frames.append(found.assign(token=token))
columns = ["level", "token", "layer", "other_layer", "cka", "debiased", "shuffled"]
tidy.write(pd.concat(frames)[columns], snakemake.output.measure)
