"""Figure 5: accuracy under occlusion, with its controls and the area under each curve."""

from maescope.base import logs, tidy
from maescope.figures import occlusion, style
from maescope.tables import accuracies

logs.begin(snakemake)

params = snakemake.params
accuracy = tidy.read(snakemake.input.measures, "model", "perturbation")
curves = accuracies.occlusion_curves(accuracy, params.intervals)
names = {"most": "most attended", "least": "least attended", "random": "random", "centre": "centre", "edge": "edge"}
fills = {"mean": "", "black": ", black", "shuffled": ", shuffled", "drop": ", tokens dropped"}
titles = {name: names[entry["order"]] + fills[entry["fill"]] for name, entry in params.orders.items()}
clean = accuracy[(accuracy["perturbation"] == next(iter(params.orders))) & (accuracy["level"] == "0")]
doubted = accuracies.doubted(clean.assign(level="clean"), params.outputs, params.choices)
figure = occlusion.figure_5(curves, titles, 100 / params.choices, doubted)
style.save(figure, snakemake.output.pdf, snakemake.output.png)
tidy.write(curves, snakemake.output.numbers)
