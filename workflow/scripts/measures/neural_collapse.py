"""Neural collapse of the embeddings of clean images, layer by layer, and that of shuffled class labels."""

import numpy as np
import pandas as pd

from maescope.base import logs, seeds, tidy
from maescope.measures import embeddings, neural_collapse
from maescope.tokens import store

logs.begin(snakemake)

params, rows = snakemake.params, []
files = store.token_files(params.labels, snakemake.input.tokens, params.config_hash)
first = files[params.labels[0]]
labels = np.repeat(list(files), [len(file.images) for file in files.values()])
shuffled = seeds.generator(params.seed, "neural_collapse").permutation(labels)
for level in first.levels:
    for token in first.embeddings:
        for layer in range(1, first.shape(level, token)[0] + 1):
            own = embeddings.values(files, level, token, layer)  # (n, D)
            row = {"level": level, "token": token, "layer": layer}
            for kind, of in (("", labels), ("shuffled_", shuffled)):
                row |= {kind + name: value for name, value in neural_collapse.neural_collapse(own, of).items()}
            rows.append(row)
tidy.write(pd.DataFrame(rows).assign(classes=len(files), images=len(labels)), snakemake.output.measure)
