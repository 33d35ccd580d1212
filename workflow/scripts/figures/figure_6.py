"""Figures 6 and 7: common features of each layer and head, clean and under blur or occlusion."""

from maescope.base import logs, tidy
from maescope.figures import style
from maescope.figures.head_features import head_maps
from maescope.tables import head_features

logs.begin(snakemake)

params = snakemake.params
maps = head_features.maps(tidy.read([snakemake.input.measure]))
figure = head_maps(maps, params.titles, "common features, mean over classes", params.seen)
style.save(figure, snakemake.output.pdf, snakemake.output.png)
tidy.write(maps, snakemake.output.numbers)
