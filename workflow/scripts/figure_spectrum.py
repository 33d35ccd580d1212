"""Spatial frequencies of patch tokens by layer, models side by side."""

from maescope import beyondplots, logs, plots, spectrum, tidy

logs.begin(snakemake)

numbers = spectrum.over_labels(tidy.read(snakemake.input.measures, model=snakemake.params.models))
plots.save(beyondplots.figure_spectrum(numbers), snakemake.output.pdf, snakemake.output.png)
tidy.write(numbers, snakemake.output.numbers)
