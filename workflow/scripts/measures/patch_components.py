"""The first three principal components of patch tokens as colours, layer by layer, of some clean images."""

import pandas as pd

from maescope.base import grid, logs, seeds, tidy
from maescope.measures import patch_components
from maescope.tokens import store

logs.begin(snakemake)

params, frames = snakemake.params, []
files = store.token_files(params.labels, snakemake.input.tokens, params.config_hash)
first = files[params.labels[0]]
layers, _, patches, dim = first.shape("clean", "patch")
shape = grid.shape(patches, params.crop)
frames = [patch_components.table(files, "clean", layer, shape) for layer in range(1, layers + 1)]
images = len(frames[0]) // patches
drawn = seeds.generator(params.seed, "patch_components").normal(size=(images, patches, dim))
measure = pd.concat(frames).assign(noise=patch_components.components(drawn)[1])
columns = ["layer", "label", "image", "patch_row", "patch_column", "red", "green", "blue", "explained", "noise"]
tidy.write(measure[columns], snakemake.output.measure)
