"""Figure 8: common features lost by level of blur and of occlusion, against shuffled classes."""

from maescope import heads, logs, plots, tidy

logs.to_file(snakemake.log[0])

features = tidy.read(snakemake.input.measures, perturbation=list(snakemake.params.titles))
drops = heads.drops(features, snakemake.params.intervals)
plots.save(plots.figure_8(drops, snakemake.params.titles), snakemake.output.pdf, snakemake.output.png)
tidy.write(drops, snakemake.output.numbers)
