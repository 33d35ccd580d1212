"""How well classes separate by layer, models side by side."""

from maescope.base import logs, tidy
from maescope.figures import depth, style

logs.begin(snakemake)

separation = tidy.read(snakemake.input.measures, "model")
numbers = separation[separation["scope"] == "all"]
style.save(depth.figure_models(numbers), snakemake.output.pdf, snakemake.output.png)
tidy.write(numbers, snakemake.output.numbers)
