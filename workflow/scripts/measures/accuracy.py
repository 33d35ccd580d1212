"""Right or wrong, image by image."""

import pandas as pd

from maescope.base import doubts, logs, tidy
from maescope.measures import accuracy
from maescope.tokens import store

logs.begin(snakemake)

params, frames = snakemake.params, []
among = [params.outputs.index(label) for label in params.labels] if params.among == "labels" else None
files = store.token_files(params.labels, snakemake.input.tokens, params.config_hash)
for label, tokens in files.items():
    for level in tokens.levels:
        frame = pd.DataFrame({"level": level, "label": label, "image": tokens.images, "target": tokens.targets})
        frame["prediction"] = accuracy.predict(tokens.read(level, "logits"), among)
        frame["correct"] = (frame["prediction"] == frame["target"]).astype(int)
        frames.append(frame)
measure = pd.concat(frames)
doubts.warn(measure, params.outputs, len(among or params.outputs))
tidy.write(measure, snakemake.output.measure)
