"""Effective rank of embeddings by layer, models side by side."""

from maescope import beyondplots, logs, plots, tidy

logs.begin(snakemake)

numbers = tidy.read(snakemake.input.measures, model=snakemake.params.models)
plots.save(beyondplots.figure_rank(numbers), snakemake.output.pdf, snakemake.output.png)
tidy.write(numbers, snakemake.output.numbers)
