"""Figure 5: accuracy under occlusion, with its controls and the area under each curve."""

from maescope import logs, plots, tables, tidy

logs.begin(snakemake)

params = snakemake.params
accuracy = tidy.read(snakemake.input.measures, model=params.models, perturbation=params.perturbations)
curves = tables.occlusion_curves(accuracy, params.intervals)
names = {"most": "most attended", "least": "least attended", "random": "random"}
fills = {"mean": "", "black": ", black", "drop": ", tokens dropped"}
titles = {name: names[entry["order"]] + fills[entry["fill"]] for name, entry in params.orders.items()}
choices = len(params.labels if params.among == "labels" else params.classes)
clean = accuracy[(accuracy["perturbation"] == params.perturbations[0]) & (accuracy["level"] == "0")]
figure = plots.figure_5(curves, titles, 100 / choices, tables.guessing(clean, choices))
plots.save(figure, snakemake.output.pdf, snakemake.output.png)
tidy.write(curves, snakemake.output.numbers)
