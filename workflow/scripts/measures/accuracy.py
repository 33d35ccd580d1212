"""Right or wrong, image by image."""

import pandas as pd

from maescope.base import doubts, logs, table_files
from maescope.measures import accuracy
from maescope.tokens import store

logs.begin(snakemake)

params, clean = snakemake.params, []
among = [params.outputs.index(label) for label in params.labels] if params.among == "labels" else None
files = store.token_files(params.labels, snakemake.input.tokens, params.config_hash)
with table_files.writing(snakemake.output.measure, *table_files.MEASURES["accuracy"]) as write:
    for label, tokens in files.items():
        frames = []
        for level in tokens.levels:
            frame = pd.DataFrame({"level": level, "label": label, "image": tokens.images, "target": tokens.targets})
            frame["prediction"] = accuracy.predict(tokens.read(level, "logits"), among)
            frame["correct"] = (frame["prediction"] == frame["target"]).astype(int)
            frames.append(frame)
        write(pd.concat(frames))
        clean += [frame for frame in frames if frame["level"].iloc[0] == "clean"]
if clean:
    doubts.warn(pd.concat(clean), params.outputs, len(among or params.outputs))
