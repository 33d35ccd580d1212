"""Deletion and insertion curves of the first fine-tuned model by each ranking of patches that was measured."""

from maescope.base import logs, tidy
from maescope.figures import style
from maescope.figures.faithfulness import figure_faithfulness
from maescope.tables import faithfulness

logs.begin(snakemake)

params = snakemake.params
accuracy = tidy.read(snakemake.input.measures, "perturbation")
curves = faithfulness.curves(accuracy, params.rankings, params.intervals)
style.save(figure_faithfulness(curves, 100 / params.choices), snakemake.output.pdf, snakemake.output.png)
tidy.write(curves, snakemake.output.numbers)
