"""Fourier amplitudes of patch tokens by spatial frequency, mean over the images of a label, layer by layer."""

import pandas as pd

from maescope.base import logs, tidy
from maescope.measures import spectrum
from maescope.tokens import store

logs.begin(snakemake)

params, frames = snakemake.params, []
files = store.token_files(params.labels, snakemake.input.tokens, params.config_hash)
for label, tokens in files.items():
    for level in tokens.levels:
        for layer in range(1, tokens.shape(level, "patch")[0] + 1):
            frame = spectrum.table(tokens.blocks(level, "patch", layer), params.crop)
            frames.append(frame.assign(level=level, layer=layer, label=label))
columns = ["level", "layer", "label", "frequency", "log_amplitude", "noise", "images"]
tidy.write(pd.concat(frames)[columns], snakemake.output.measure)
