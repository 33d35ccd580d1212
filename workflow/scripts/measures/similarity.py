"""Linear CKA, mutual k-NN and Procrustes of layers: of models with each other, of perturbed images with clean ones."""

import numpy as np
import pandas as pd

from maescope.base import logs, seeds, tidy
from maescope.measures import embeddings, similarity
from maescope.tokens import store

logs.begin(snakemake)

params, rows = snakemake.params, []
files = {}
for name, of in params.of.items():
    paths = [path for path in snakemake.input.tokens if path.startswith(f"{of['folder']}/")]
    files[name] = store.token_files(params.labels, paths, of["config_hash"])
most = max(2, similarity.MOST // len(params.labels))
for name, other in params.pairs:
    own, clean = files[name], files[other]
    first, second = own[params.labels[0]], clean[params.labels[0]]
    for label in params.labels:
        store.require_same_images(clean[label], own[label])
    layers, others = first.shape(first.levels[0], "mean")[0], second.shape("clean", "mean")[0]
    which = {"model": params.of[name]["model"], "other": params.of[other]["model"]}
    which |= {"perturbation": params.of[name]["perturbation"]}
    sizes = [min(most, len(own[label].images)) for label in params.labels]
    labels = np.repeat(params.labels, sizes)
    order = seeds.generator(params.seed, "similarity").permutation(len(labels))
    for layer in range(1, layers + 1):
        known = embeddings.values(clean, "clean", "mean", similarity.deeper(layer, layers, others), most)
        asked = similarity.concluded(which["perturbation"], layer, layers)
        for level in first.levels:
            compared = embeddings.values(own, level, "mean", layer, most)
            parts = labels if asked and level == first.levels[-1] else None
            rows.append(similarity.compare(compared, known, order, parts).assign(layer=layer, level=level, **which))
columns = [*similarity.WHICH, "left_out", *similarity.NAMES]
columns += [f"chance_{measure}" for measure in similarity.NAMES]
tidy.write(pd.concat(rows)[columns], snakemake.output.measure)
