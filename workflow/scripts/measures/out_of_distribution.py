"""How well strange images are told from clean ones: AUROC by logits, and by distance layer by layer."""

import pandas as pd

from maescope.base import logs, tidy
from maescope.measures import out_of_distribution
from maescope.tokens import store

logs.begin(snakemake)

params, frames, first, clean = snakemake.params, [], None, {}
arrays = ("logits", "mean") if params.head else ("mean",)
comparison = out_of_distribution.Comparison(params.k)
for shifted, of in params.conditions.items():
    paths = store.by_label(path for path in snakemake.input.tokens if path.startswith(f"{of['folder']}/"))
    parts = {}
    for label in of["labels"]:
        with store.open_tokens(paths[label], of["config_hash"]) as tokens:
            first = first or tokens
            store.require_same_weights(first, tokens)
            if of["paired"]:
                store.require_same_images(clean.setdefault(label, tokens), tokens)
            out_of_distribution.gather(parts, tokens, len(of["labels"]), arrays)
    frames.append(comparison.add(shifted, parts, of["paired"]))
columns = ["shifted", "level", "score", "layer", "auroc", "error", "inside", "outside"]
tidy.write(pd.concat(frames)[columns], snakemake.output.measure)
