"""Linear probe by layer of each mask ratio and patch size."""

from maescope import logs, plots, sweepplots, tidy

logs.begin(snakemake)

runs = tidy.read([snakemake.input.runs])
plots.save(sweepplots.figure_sweep_layers(runs, snakemake.params.chance), snakemake.output.pdf, snakemake.output.png)
tidy.write(runs[runs["measure"] == "probe_accuracy"], snakemake.output.numbers)
