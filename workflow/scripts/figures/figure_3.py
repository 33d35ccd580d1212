"""Figure 3: mean attention distance of each head by layer, models side by side."""

from maescope.base import logs, tidy
from maescope.figures import attention, style
from maescope.tables import layers

logs.begin(snakemake)

columns = ["layer", "head", "distance_px", "entropy", "uniform_px"]
heads = layers.head_means(tidy.read(snakemake.input.measures, "model", "dataset", columns=columns))
numbers = layers.attention_numbers(heads)
style.save(attention.figure_3(heads), snakemake.output.pdf, snakemake.output.png)
tidy.write(numbers, snakemake.output.numbers)
tidy.write_text(layers.attention_seen(numbers), snakemake.output.seen)
