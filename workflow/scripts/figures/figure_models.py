"""How well classes separate by layer, models side by side."""

from maescope.base import logs, tidy
from maescope.figures import depth, style
from maescope.tables.separations import with_intervals

logs.begin(snakemake)

separation = tidy.read(snakemake.input.measures, "model")
numbers = with_intervals(separation[separation["scope"] == "all"], snakemake.params.confidence)
style.save(depth.figure_models(numbers), snakemake.output.pdf, snakemake.output.png)
tidy.write(numbers, snakemake.output.numbers)
