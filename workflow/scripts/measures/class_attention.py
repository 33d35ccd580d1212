"""Where the CLS token of each head looks, and whether that depends on the class."""

import pandas as pd

from maescope.base import logs, tidy
from maescope.measures import class_attention
from maescope.tokens import store

logs.begin(snakemake)

params, frames = snakemake.params, []
files = store.token_files(params.labels, snakemake.input.tokens, params.config_hash)
layers, *_, patches = files[params.labels[0]].shape("clean", "cls_attention")
uniform = patches / (patches + files[params.labels[0]].attributes["prefix_tokens"])
for layer in range(1, layers + 1):
    maps = {label: file.read("clean", "cls_attention", layer) for label, file in files.items()}  # (B, H, N) each
    frames.append(class_attention.table(maps).assign(layer=layer, uniform=uniform))
columns = ["layer", "head", "label", "to_patches", "spread", "same_class", "other_classes", "uniform"]
tidy.write(pd.concat(frames)[columns], snakemake.output.measure)
