"""What the CLS token of each head looks at, models side by side."""

from maescope import beyondplots, class_attention, logs, plots, tidy

logs.begin(snakemake)

numbers = class_attention.over_labels(tidy.read(snakemake.input.measures, model=snakemake.params.models))
plots.save(beyondplots.figure_class_attention(numbers), snakemake.output.pdf, snakemake.output.png)
tidy.write(numbers, snakemake.output.numbers)
