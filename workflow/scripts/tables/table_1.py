"""Table I: accuracy and image quality by level of Gaussian blur."""

from maescope.base import logs, tidy
from maescope.tables import accuracies, table_1, writing

logs.begin(snakemake)

params = snakemake.params
accuracy = tidy.read(snakemake.input.accuracy, "model")
quality = tidy.read([snakemake.input.quality])
paper = tidy.read(snakemake.input.paper) if snakemake.input.paper else None
table = table_1.table(accuracy, quality, params.filters, params.same_crop, params.intervals, paper)
notes = accuracies.notes_on_doubts(accuracy, params.outputs, params.choices)
notes += accuracies.notes_on_accuracy(accuracy, params.images_asked, params.intervals) + table_1.notes(quality)
notes += accuracies.notes_on_size(tidy.read([snakemake.input.images]), params.resize)
title = "Table I. Accuracy under Gaussian blur"
writing.write_table(table, table_1.printed(table), title, notes, snakemake.output)
