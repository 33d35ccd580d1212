"""Entropy of attention and mutual information of queries and keys, head by head."""

from maescope import beyondplots, layertables, logs, plots, tidy

logs.begin(snakemake)

attention = tidy.read(snakemake.input.measures, model=snakemake.params.models)
numbers = layertables.head_means(attention.assign(dataset=""))
plots.save(beyondplots.figure_heads(numbers), snakemake.output.pdf, snakemake.output.png)
tidy.write(numbers, snakemake.output.numbers)
