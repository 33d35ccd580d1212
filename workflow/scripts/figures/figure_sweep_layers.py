"""Linear probe by layer of each mask ratio and patch size."""

from maescope.base import logs, tidy
from maescope.figures import style, sweep

logs.begin(snakemake)

runs = tidy.read([snakemake.input.runs])
style.save(sweep.figure_sweep_layers(runs, snakemake.params.chance), snakemake.output.pdf, snakemake.output.png)
tidy.write(runs[runs["measure"] == "probe_accuracy"], snakemake.output.numbers)
