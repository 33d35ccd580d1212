"""Right or wrong under distribution shift, among the dataset's own classes and among all."""

import pandas as pd

from maescope.base import logs, table_files
from maescope.measures import accuracy
from maescope.tokens import store

logs.begin(snakemake)

params = snakemake.params
own = [params.outputs.index(label) for label in params.labels]
choices = {f"masked{len(own)}": own, f"full{len(params.outputs)}": None}
files = store.token_files(params.labels, snakemake.input.tokens, params.config_hash)
with table_files.writing(snakemake.output.measure, *table_files.MEASURES["shift"]) as write:
    for label, tokens in files.items():
        frames = []
        for level in tokens.levels:
            for name, among in choices.items():
                frame = pd.DataFrame({"level": level, "label": label, "image": tokens.images, "target": tokens.targets})
                frame["among"] = name
                frame["prediction"] = accuracy.predict(tokens.read(level, "logits"), among)
                frame["correct"] = (frame["prediction"] == frame["target"]).astype(int)
                frames.append(frame)
        write(pd.concat(frames))
