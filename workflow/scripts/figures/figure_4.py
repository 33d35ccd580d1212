"""Figure 4: the smallest angle between class subspaces by layer with its baselines, and singular values."""

from maescope.base import logs, tidy
from maescope.figures import style, subspaces
from maescope.tables import layers

logs.begin(snakemake)

first = layers.first_angles(tidy.read([snakemake.input.angles]))
singular_values = tidy.read([snakemake.input.singular_values])
singular_values = singular_values[singular_values["level"] == first["level"].iloc[0]]
numbers = layers.angle_numbers(first, singular_values)
style.save(
    subspaces.figure_4(first, singular_values, snakemake.params.seen), snakemake.output.pdf, snakemake.output.png
)
tidy.write(numbers, snakemake.output.numbers)
tidy.write_text(layers.angles_seen(numbers), snakemake.output.seen)
