"""Top-k right singular vectors and singular values of each class's patch tokens, layer by layer."""

import numpy as np
import pandas as pd

from maescope.base import logs, tidy
from maescope.base.atomic import replacing
from maescope.measures import subspaces
from maescope.tokens import store

logs.begin(snakemake)

params, found, frames = snakemake.params, {}, []
files = store.token_files(params.labels, snakemake.input.tokens, params.config_hash)
first = next(iter(files.values()))
for level in first.levels:
    stream = store.streamer(files, level, "patch")
    layers = first.shape(level, "patch")[0]
    dimensions = subspaces.dimensions(stream, layers, params.labels, params.k, params.centring)
    bases = subspaces.bases(stream, layers, params.labels, max(dimensions), params.centring)
    found |= {f"{level}/{name}": array for name, array in bases._asdict().items()} | {f"{level}/k": dimensions}
    frames.append(subspaces.singular_table(bases, params.labels).assign(level=level))
with replacing(snakemake.output.bases) as temporary:
    np.savez(temporary, labels=params.labels, levels=first.levels, **found)
columns = ["level", "layer", "label", "index", "value", "relative"]
tidy.write(pd.concat(frames)[columns], snakemake.output.singular_values)
