"""Cosine and norms of clean and perturbed mean-patch embeddings, image by image, at every layer."""

import pandas as pd

from maescope import accuracy, alignment, finalnorm, logs, store, tidy

logs.begin(snakemake)

params, frames = snakemake.params, []
among = [params.classes.index(label) for label in params.labels] if params.among == "labels" else None
norm = finalnorm.read(snakemake.input.get("norm"))
files = zip(params.labels, snakemake.input.clean, snakemake.input.perturbed, strict=True)
for label, clean_path, path in files:
    with (
        store.open_tokens(clean_path, params.clean_hash) as clean,
        store.open_tokens(path, params.config_hash) as perturbed,
    ):
        store.require_pair(clean, perturbed)
        before = norm.mean(clean, "clean")  # (L, B, D)
        for level in perturbed.levels:
            after = norm.mean(perturbed, level)
            correct = accuracy.predict(perturbed.read(level, "logits"), among) == perturbed.targets
            frame = alignment.table(before, after, perturbed.images, correct)
            frames.append(frame.assign(level=level, label=label))
columns = ["level", "label", "image", "layer", "cosine", "norm_clean", "norm_perturbed", "correct"]
tidy.write(pd.concat(frames)[columns], snakemake.output.measure)
