"""Share of patch tokens of outlying norm by layer, and where they sit."""

from maescope.base import logs, tidy
from maescope.figures import style
from maescope.figures.high_norms import figure_high_norms

logs.begin(snakemake)

numbers = tidy.read(snakemake.input.measures, "model")
style.save(figure_high_norms(numbers), snakemake.output.pdf, snakemake.output.png)
tidy.write(numbers, snakemake.output.numbers)
