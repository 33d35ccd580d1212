"""Which model is right more often, condition by condition, on the same images."""

from maescope import comparison, logs, tables, tidy

logs.begin(snakemake)

params = snakemake.params
models, perturbations = zip(*params.judged, strict=True)
accuracy = tidy.read(snakemake.input.accuracy, model=models, perturbation=perturbations)
table = comparison.paired(accuracy, params.intervals)
notes = tables.notes_on_chance(accuracy, params.choices) + comparison.notes(accuracy, params.intervals)
title = "Models against each other, on the same images"
tables.write_table(table, comparison.printed(table), title, notes, snakemake.output)
