"""How well classes separate by layer, models side by side."""

from maescope import beyondplots, logs, plots, tidy

logs.begin(snakemake)

separation = tidy.read(snakemake.input.measures, model=snakemake.params.models)
numbers = separation[separation["scope"] == "all"]
plots.save(beyondplots.figure_models(numbers), snakemake.output.pdf, snakemake.output.png)
tidy.write(numbers, snakemake.output.numbers)
