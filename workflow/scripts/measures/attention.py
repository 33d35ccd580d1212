"""Attention distance, entropy and mutual information of each head and layer, image by image."""

import numpy as np
import pandas as pd

from maescope.base import grid, logs, table_files
from maescope.measures import attention
from maescope.tokens import store

logs.begin(snakemake)

NAMES = ("distance", "entropy", "key_entropy")
params = snakemake.params
files = store.token_files(params.labels, snakemake.input.tokens, params.config_hash)
with table_files.writing(snakemake.output.measure, *table_files.MEASURES["attention"]) as write:
    for label, tokens in files.items():
        distance, entropy, keys = (tokens.read("clean", f"attention_{name}") for name in NAMES)
        layer, image, head = np.indices(distance.shape).reshape(3, -1)  # each (L, B, H)
        patches = tokens.shape("clean", "rollout")[1]
        nmi = attention.normalised_mutual_information(entropy, keys, patches)
        rows = {"layer": layer + 1, "head": head + 1, "label": label, "image": np.take(tokens.images, image)}
        rows |= {"distance_px": distance.ravel(), "entropy": entropy.ravel(), "nmi": nmi.ravel()}
        alike = {"uniform_px": grid.uniform_distance(patches, params.crop), "patches": patches}
        write(pd.DataFrame(rows | alike))
