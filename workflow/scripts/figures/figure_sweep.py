"""Measures against mask ratio and patch size."""

from maescope.base import logs, tidy
from maescope.figures import style
from maescope.figures.sweep import figure_sweep
from maescope.tables import sweep

logs.begin(snakemake)

points = sweep.points(tidy.read([snakemake.input.runs]))
summary = sweep.summary(points, snakemake.params.confidence)
figure = figure_sweep(points, summary, snakemake.params.chance, snakemake.params.top_1)
style.save(figure, snakemake.output.pdf, snakemake.output.png)
tidy.write(summary, snakemake.output.numbers)
