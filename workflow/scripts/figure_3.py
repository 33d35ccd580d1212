"""Figure 3: mean attention distance of each head by layer, models side by side."""

from itertools import product

from maescope import layerplots, layertables, logs, plots, tidy

logs.begin(snakemake)

models, datasets = zip(*product(snakemake.params.models, snakemake.params.datasets), strict=True)
heads = layertables.head_means(tidy.read(snakemake.input.measures, model=models, dataset=datasets))
numbers = layertables.attention_numbers(heads)
plots.save(layerplots.figure_3(heads), snakemake.output.pdf, snakemake.output.png)
tidy.write(numbers, snakemake.output.numbers)
tidy.write_text(layertables.attention_seen(numbers), snakemake.output.seen)
