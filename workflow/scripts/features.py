"""Common features of each head: on clean images, retained when perturbed, and of shuffled classes."""

import numpy as np
import pandas as pd

from maescope import features, logs, seeds, store, tidy

logs.to_file(snakemake.log[0])

params, clean, perturbed, labels = snakemake.params, [], {}, []
for label, clean_path, path in zip(params.labels, snakemake.input.clean, snakemake.input.perturbed, strict=True):
    with (
        store.open_tokens(clean_path, params.clean_hash) as before,
        store.open_tokens(path, params.config_hash) as after,
    ):
        store.require_pair(before, after)
        head = before.read("clean", "head")  # (L, B, H, d)
        k = params.features["k"] or features.scaled_k(head.shape[-1])
        clean.append(features.top_dims(head, k))
        for level in after.levels:
            perturbed.setdefault(level, []).append(features.top_dims(after.read(level, "head"), k))
        labels += [label] * head.shape[1]
frames, seed = [], seeds.number(params.seed, "features")  # the same shuffles at every level
for level, tops in perturbed.items():
    every = np.concatenate(clean, axis=1), np.concatenate(tops, axis=1)
    frame = features.table(*every, labels, params.features["threshold"], params.features["shuffles"], seed)
    frames.append(frame.assign(level=level))
measure = pd.concat(frames)
tidy.write(measure[["level", *measure.columns.drop("level")]], snakemake.output.measure)
