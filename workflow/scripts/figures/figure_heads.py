"""Entropy of attention and mutual information of queries and keys, head by head."""

from maescope.base import logs, tidy
from maescope.figures import style
from maescope.figures.attention import figure_heads
from maescope.measures import attention

logs.begin(snakemake)

columns = ["layer", "head", "entropy", "nmi", "patches"]
numbers = attention.over_images(tidy.read(snakemake.input.measures, "model", columns=columns))
style.save(figure_heads(numbers), snakemake.output.pdf, snakemake.output.png)
tidy.write(numbers, snakemake.output.numbers)
