"""Entropy of attention and mutual information of queries and keys, head by head."""

from maescope import beyondplots, information, logs, plots, tidy

logs.begin(snakemake)

numbers = information.over_images(tidy.read(snakemake.input.measures, model=snakemake.params.models))
plots.save(beyondplots.figure_heads(numbers), snakemake.output.pdf, snakemake.output.png)
tidy.write(numbers, snakemake.output.numbers)
