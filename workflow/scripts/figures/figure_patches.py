"""Patch tokens as colours by layer, model beside model."""

from maescope.base import logs, tidy
from maescope.figures import style
from maescope.figures.patches import figure_patches

logs.begin(snakemake)

numbers = tidy.read(snakemake.input.measures, "model")
style.save(figure_patches(numbers), snakemake.output.pdf, snakemake.output.png)
tidy.write(numbers, snakemake.output.numbers)
