"""Figure 2: t-SNE of patch tokens by layer, and how well classes separate in the layer itself."""

from maescope import layerplots, layertables, logs, plots, tidy

logs.begin(snakemake)

tsne, separation = tidy.read([snakemake.input.tsne]), tidy.read([snakemake.input.separation])
numbers = layertables.separation_numbers(separation, ["patch"])
plots.save(layerplots.figure_2(tsne, separation), snakemake.output.pdf, snakemake.output.png)
tidy.write(numbers, snakemake.output.numbers)
tidy.write_text(layertables.separation_seen(numbers), snakemake.output.seen)
