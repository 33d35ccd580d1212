"""Draw the images of a dataset and write down which."""

import pandas as pd

from maescope.base import logs, tidy
from maescope.images import sampling

logs.begin(snakemake)

dataset = snakemake.params.dataset
chosen, skipped = sampling.sample(
    snakemake.wildcards.dataset,
    dataset["pattern"],
    dataset["labels"],
    dataset["count"],
    snakemake.params.seed,
    classes=dataset["classes"] or [],
    resize=snakemake.resources.resize,
    allow_fewer=dataset["allow_fewer"],
    on_bad_image=dataset["on_bad_image"],
    threads=snakemake.threads,
    listed=snakemake.resources.get("listed"),
)
targets = {label: target for target, label in enumerate(dataset["classes"] or [])}
rows = pd.DataFrame(chosen)
rows.insert(3, "target", rows["label"].map(targets).fillna(-1).astype(int))  # -1: no class of the head
tidy.write(rows, snakemake.output.images)
tidy.write(pd.DataFrame(skipped, columns=["label", "path", "reason"]), snakemake.output.skipped)
