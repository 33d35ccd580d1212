"""Figure 1: t-SNE of CLS and mean-patch tokens by layer, and how well classes separate in the layer itself."""

from maescope.base import logs, tidy
from maescope.figures import style
from maescope.figures.axes import named
from maescope.figures.separation import figure_1
from maescope.tables import layers
from maescope.tables.separations import with_intervals

logs.begin(snakemake)

params = snakemake.params
tsne = named(tidy.read([snakemake.input.tsne]), params.names, "label")
separation = with_intervals(tidy.read([snakemake.input.separation]), params.confidence)
numbers = layers.separation_numbers(separation, ["cls", "mean"])
style.save(figure_1(tsne, separation, params.seen), snakemake.output.pdf, snakemake.output.png)
tidy.write(numbers, snakemake.output.numbers)
tidy.write_text(layers.separation_seen(numbers), snakemake.output.seen)
