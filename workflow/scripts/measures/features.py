"""Common features of each head: on clean images, retained when perturbed, and of shuffled classes."""

from maescope.base import logs, seeds, table_files
from maescope.measures import features
from maescope.tokens import store

logs.begin(snakemake)

params, seed = snakemake.params, seeds.number(snakemake.params.seed, "features")
before = store.token_files(params.labels, snakemake.input.clean, params.clean_hash)
after = store.token_files(params.labels, snakemake.input.perturbed, params.config_hash)
for label in params.labels:
    store.require_pair(before[label], after[label])
first, labels = after[params.labels[0]], [label for label, file in before.items() for _ in file.images]
k = params.features["k"] or features.scaled_k(first.shape(first.levels[0], "head")[-1])
clean = features.all_top_dims((file.read("clean", "head") for file in before.values()), k)
how = params.features["threshold"], params.features["shuffles"], seed
with table_files.writing(snakemake.output.measure, *table_files.MEASURES["features"]) as write:
    for level in first.levels:  # one at a time, with the same shuffles: all of them would not fit a large study
        perturbed = features.all_top_dims((file.read(level, "head") for file in after.values()), k)
        write(features.table(clean, perturbed, labels, *how).assign(level=level))
