"""Cosine and norms of clean and perturbed mean-patch embeddings, image by image, at every layer."""

import numpy as np
import pandas as pd

from maescope.base import logs, table_files
from maescope.measures import accuracy, alignment
from maescope.tokens import final_norm, store

logs.begin(snakemake)

params = snakemake.params
among = [params.outputs.index(label) for label in params.labels] if params.among == "labels" else None
norm = final_norm.read(snakemake.input.get("norm"))
clean_paths, paths = (store.by_label(snakemake.input[name]) for name in ("clean", "perturbed"))
columns = ["level", "label", "image", "layer", "cosine", "norm_clean", "norm_perturbed", "radius", "correct"]
with table_files.writing(snakemake.output.measure, *columns) as write:
    for label in params.labels:
        frames = []
        with (
            store.open_tokens(clean_paths[label], params.clean_hash) as clean,
            store.open_tokens(paths[label], params.config_hash) as perturbed,
        ):
            store.require_pair(clean, perturbed)
            before = norm.mean(clean, "clean")  # (L, B, D)
            last = [before[-1]]
            for level in perturbed.levels:
                after = norm.mean(perturbed, level)
                correct = accuracy.predict(perturbed.read(level, "logits"), among) == perturbed.targets
                frame = alignment.table(before, after, perturbed.images, correct)
                frames.append(frame.assign(level=level, label=label))
                last.append(after[-1])
        everything = pd.concat(frames)
        of_last = everything["layer"] == len(before)
        everything.loc[of_last, "radius"] = np.tile(alignment.radius(np.stack(last)), len(perturbed.levels))
        write(everything)
