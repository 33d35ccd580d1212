"""Table II: accuracy under fifteen corruptions, five severities each."""

from maescope.base import logs, tidy
from maescope.tables import accuracies, table_2, writing

logs.begin(snakemake)

params = snakemake.params
accuracy = tidy.read(snakemake.input.accuracy, "model", "perturbation")
paper = tidy.read(snakemake.input.paper) if snakemake.input.paper else None
table = table_2.table(accuracy, params.sources, params.intervals, paper, params.first, params.imagenet)
notes = accuracies.notes_on_doubts(accuracy, params.outputs, params.choices)
notes += accuracies.notes_on_accuracy(accuracy, params.images_asked, params.intervals)
notes += table_2.notes(table, params.sources, params.small, params.intervals["confidence"])
notes += accuracies.notes_on_size(tidy.read([snakemake.input.images]), params.resize)
generated = any(source["source"].startswith("generated") for source in params.sources.values())
title = "Table II. Accuracy under corruptions (%)" + (", generated" if generated else "")
writing.write_table(table, table_2.printed(table), title, notes, snakemake.output)
