"""Accuracy by class on clean images, with the confusion that shows it."""

from maescope.base import logs, tidy
from maescope.figures import classes, style
from maescope.figures.axes import named
from maescope.tables import accuracies
from maescope.tables import classes as numbers

logs.begin(snakemake)

params = snakemake.params
accuracy = tidy.read(snakemake.input.accuracy, "model")
confused = numbers.confusion(accuracy, params.outputs)
table = numbers.by_class(confused, params.intervals)
doubted = accuracies.doubted(accuracy, params.outputs, params.choices)
confused, shown = named(confused, params.names, "label", "called"), named(table, params.names, "label", "called")
figure = classes.figure_classes(confused, shown, 100 / params.choices, doubted)
style.save(figure, snakemake.output.pdf, snakemake.output.png)
tidy.write(table, snakemake.output.numbers)
