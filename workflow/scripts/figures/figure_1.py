"""Figure 1: t-SNE of CLS and mean-patch tokens by layer, and how well classes separate in the layer itself."""

from maescope.base import logs, tidy
from maescope.figures import style
from maescope.figures.separation import figure_1
from maescope.tables import layers

logs.begin(snakemake)

tsne, separation = tidy.read([snakemake.input.tsne]), tidy.read([snakemake.input.separation])
numbers = layers.separation_numbers(separation, ["cls", "mean"])
style.save(figure_1(tsne, separation), snakemake.output.pdf, snakemake.output.png)
tidy.write(numbers, snakemake.output.numbers)
tidy.write_text(layers.separation_seen(numbers), snakemake.output.seen)
