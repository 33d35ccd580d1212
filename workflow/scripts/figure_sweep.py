"""Measures against mask ratio and patch size."""

from maescope import logs, plots, sweep, sweepplots, tidy

logs.begin(snakemake)

points = sweep.points(tidy.read([snakemake.input.runs]))
summary = sweep.summary(points, snakemake.params.confidence)
figure = sweepplots.figure_sweep(points, summary, snakemake.params.chance, snakemake.params.top_1)
plots.save(figure, snakemake.output.pdf, snakemake.output.png)
tidy.write(summary, snakemake.output.numbers)
