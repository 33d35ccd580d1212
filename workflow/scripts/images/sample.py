"""Draw the images of a dataset and write down which."""

import pandas as pd

from maescope.base import logs, tidy
from maescope.images import sampling
from maescope.study import class_lists

logs.begin(snakemake)

dataset = snakemake.params.dataset
listed = snakemake.resources.get("listed")
class_lists.require_folders(snakemake.wildcards.dataset, dataset["labels"], dataset["pattern"], listed)
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
)
targets = {label: target for target, label in enumerate(dataset["classes"] or [])}
rows = pd.DataFrame(chosen)
rows.insert(3, "target", rows["label"].map(targets).fillna(-1).astype(int))  # -1: no class of the head
tidy.write(rows, snakemake.output.images)
tidy.write(pd.DataFrame(skipped, columns=["label", "path", "reason"]), snakemake.output.skipped)
