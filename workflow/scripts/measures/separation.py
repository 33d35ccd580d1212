"""Silhouette, k-NN and linear probe in each layer's own space, of the images that t-SNE shows and of all."""

import pandas as pd

from maescope.base import logs, tidy
from maescope.measures import embeddings, separation
from maescope.tokens import store

logs.begin(snakemake)

params, rows = snakemake.params, []
files = store.token_files(params.labels, snakemake.input.tokens, params.config_hash)
shown = {label: files[label] for label in params.shown}
first = next(iter(files.values()))
level = first.levels[0]
reference = snakemake.input.reference
voting = store.token_files(params.labels, reference, params.reference_hash) if reference else {}
for scope, part, images in (("shown", shown, params.images), ("all", files, None)):
    for token in (*first.embeddings, *(["patch"] if params.patch and scope == "shown" else [])):
        for layer in range(1, first.shape(level, token)[0] + 1):
            tokens = embeddings.collect(part, level, token, layer, images)
            if scope == "all":
                embeddings.warn_if_collapsed(tokens.values, token, layer)
            measured = separation.measure(tokens.values, tokens.labels, tokens.images, **params.probes)
            if voting and scope == "all":
                own = embeddings.collect(voting, level, token, layer)
                k = params.probes["neighbours"]
                measured |= separation.judged_by(own.values, own.labels, tokens.values, tokens.labels, k)
            rows.append({"token": token, "layer": layer, "scope": scope, **measured})
tidy.write(pd.DataFrame(rows), snakemake.output.measure)
