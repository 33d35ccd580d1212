"""How well perturbed images and those of other datasets are told from clean ones, by layer and by logits."""

from maescope.base import logs, tidy
from maescope.figures import style
from maescope.figures.out_of_distribution import figure_out_of_distribution
from maescope.measures import out_of_distribution

logs.begin(snakemake)

measured = tidy.read(snakemake.input.measures, "model")
numbers = out_of_distribution.with_intervals(measured, snakemake.params.confidence)
style.save(figure_out_of_distribution(numbers), snakemake.output.pdf, snakemake.output.png)
tidy.write(numbers, snakemake.output.numbers)
