"""Figure 8: common features lost by level of blur and of occlusion, model by model, against shuffled classes."""

from maescope import heads, logs, plots, tidy

logs.begin(snakemake)

params = snakemake.params
features = tidy.read(snakemake.input.measures, model=params.models, perturbation=params.perturbations)
drops = heads.drops(features, params.intervals)
plots.save(plots.figure_8(drops, params.titles), snakemake.output.pdf, snakemake.output.png)
tidy.write(drops, snakemake.output.numbers)
