"""Which model is right more often, condition by condition, on the same images."""

from maescope.base import logs, tidy
from maescope.tables import accuracies, table_models, writing

logs.begin(snakemake)

params = snakemake.params
accuracy = tidy.read(snakemake.input.accuracy, "model", "perturbation")
table = table_models.paired(accuracy, params.intervals)
notes = accuracies.notes_on_doubts(accuracy, params.outputs, params.choices)
notes += table_models.notes(accuracy, params.intervals)
notes += accuracies.notes_on_size(tidy.read([snakemake.input.images]), params.resize)
title = "Models against each other, on the same images"
writing.write_table(table, table_models.printed(table), title, notes, snakemake.output)
