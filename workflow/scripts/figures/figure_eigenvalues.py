"""Participation ratio, NESum and alpha of embeddings by layer, models side by side."""

from maescope.base import logs, tidy
from maescope.figures import depth, style

logs.begin(snakemake)

numbers = tidy.read(snakemake.input.measures, "model")
style.save(depth.figure_eigenvalues(numbers), snakemake.output.pdf, snakemake.output.png)
tidy.write(numbers, snakemake.output.numbers)
