"""Accuracy and cosine of images whose pieces were shuffled, by the number of pieces."""

from maescope.base import logs, tidy
from maescope.figures import style
from maescope.figures.shuffle import figure_shuffle
from maescope.tables import shuffles

logs.begin(snakemake)

given, params = snakemake.input, snakemake.params
accuracy = tidy.read([*given.clean, *given.accuracy], "model", "perturbation")
alignment = tidy.read(given.alignment, "model", "perturbation", last="layer")
curves = shuffles.curves(accuracy, alignment, params.intervals)
figure = figure_shuffle(curves, 100 / params.choices)
style.save(figure, snakemake.output.pdf, snakemake.output.png)
tidy.write(curves, snakemake.output.numbers)
