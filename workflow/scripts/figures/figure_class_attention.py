"""What the CLS token of each head looks at, models side by side."""

from maescope.base import logs, tidy
from maescope.figures import attention, style
from maescope.measures import class_attention

logs.begin(snakemake)

numbers = class_attention.over_labels(tidy.read(snakemake.input.measures, "model"))
style.save(attention.figure_class_attention(numbers), snakemake.output.pdf, snakemake.output.png)
tidy.write(numbers, snakemake.output.numbers)
