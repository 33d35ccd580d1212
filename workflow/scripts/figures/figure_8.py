"""Figure 8: common features lost by level of blur and of occlusion, model by model, against shuffled classes."""

from maescope.base import logs, tidy
from maescope.figures import style
from maescope.figures.head_features import figure_8
from maescope.tables import head_features

logs.begin(snakemake)

params = snakemake.params
features = tidy.read(snakemake.input.measures, "model", "perturbation")
drops = head_features.drops(features, params.intervals)
style.save(figure_8(drops, params.titles), snakemake.output.pdf, snakemake.output.png)
tidy.write(drops, snakemake.output.numbers)
