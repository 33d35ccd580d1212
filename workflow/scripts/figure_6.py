"""Figure 6: common features of each layer and head, clean and under blur."""

from maescope import heads, logs, plots, tidy

logs.begin(snakemake)

params = snakemake.params
maps = heads.maps(tidy.read([snakemake.input.measure]))
figure = plots.head_maps(maps, params.titles, "common features, mean over classes")
plots.save(figure, snakemake.output.pdf, snakemake.output.png)
tidy.write(maps, snakemake.output.numbers)
