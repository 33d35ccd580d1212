"""Draw the images of a dataset and write down which."""

import pandas as pd

from maescope.base import logs, tidy
from maescope.images import sampling, sources
from maescope.study import image_sources

logs.begin(snakemake)

name, dataset = snakemake.wildcards.dataset, snakemake.params.dataset
kind = image_sources.kind(dataset)
chosen, skipped = sampling.sample(
    name,
    dataset[kind],
    dataset["labels"],
    dataset["count"],
    snakemake.params.seed,
    classes=dataset["classes"] or [],
    resize=snakemake.resources.resize,
    allow_fewer=dataset["allow_fewer"],
    on_bad_image=dataset["on_bad_image"],
    threads=snakemake.threads,
    listed=snakemake.resources.get("listed"),
    exif=dataset.get("exif"),
    told=None if kind == "pattern" else sources.find(name, kind, dataset),
)
targets = {label: target for target, label in enumerate(dataset["classes"] or [])}
rows = pd.DataFrame(chosen)
rows.insert(3, "target", rows["label"].map(targets).fillna(-1).astype(int))  # -1: no class of the head
tidy.write(rows, snakemake.output.images)
tidy.write(pd.DataFrame(skipped, columns=["label", "path", "reason"]), snakemake.output.skipped)
