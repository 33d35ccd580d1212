"""Entropy of attention and mutual information of queries and keys, head by head."""

from maescope.base import logs, tidy
from maescope.figures import style
from maescope.figures.attention import figure_heads
from maescope.measures import attention

logs.begin(snakemake)

numbers = attention.over_images(tidy.read(snakemake.input.measures, "model"))
style.save(figure_heads(numbers), snakemake.output.pdf, snakemake.output.png)
tidy.write(numbers, snakemake.output.numbers)
