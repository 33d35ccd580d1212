"""Spatial frequencies of patch tokens by layer, models side by side."""

from maescope.base import logs, tidy
from maescope.figures import style
from maescope.figures.spectrum import figure_spectrum
from maescope.measures import spectrum

logs.begin(snakemake)

numbers = spectrum.over_labels(tidy.read(snakemake.input.measures, "model"))
style.save(figure_spectrum(numbers), snakemake.output.pdf, snakemake.output.png)
tidy.write(numbers, snakemake.output.numbers)
