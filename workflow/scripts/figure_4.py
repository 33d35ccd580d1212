"""Figure 4: the smallest angle between class subspaces by layer with its baselines, and singular values."""

from maescope import layerplots, layertables, logs, plots, tidy

logs.begin(snakemake)

first = layertables.first_angles(tidy.read([snakemake.input.angles]))
singular_values = tidy.read([snakemake.input.singular_values])
singular_values = singular_values[singular_values["level"] == first["level"].iloc[0]]
numbers = layertables.angle_numbers(first, singular_values)
plots.save(layerplots.figure_4(first, singular_values), snakemake.output.pdf, snakemake.output.png)
tidy.write(numbers, snakemake.output.numbers)
tidy.write_text(layertables.angles_seen(numbers), snakemake.output.seen)
