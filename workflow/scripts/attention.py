"""Mean attention distance and entropy of each head, image by image, with the distance of uniform attention."""

import numpy as np
import pandas as pd

from maescope import grid, logs, store, tidy

logs.begin(snakemake)

params, frames = snakemake.params, []
files = store.token_files(params.labels, snakemake.input.tokens, params.config_hash)
for label, tokens in files.items():
    distance, entropy = (tokens.read("clean", f"attention_{name}") for name in ("distance", "entropy"))  # (L, B, H)
    layer, image, head = np.indices(distance.shape).reshape(3, -1)
    uniform = grid.uniform_distance(tokens.shape("clean", "rollout")[1], params.crop)
    rows = {"layer": layer + 1, "head": head + 1, "label": label, "image": np.take(tokens.images, image)}
    measured = {"distance_px": distance.ravel(), "entropy": entropy.ravel(), "uniform_px": uniform}
    frames.append(pd.DataFrame(rows | measured))
tidy.write(pd.concat(frames), snakemake.output.measure)
