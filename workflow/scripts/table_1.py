"""Table I: accuracy and image quality by level of Gaussian blur."""

from maescope import logs, tables, tidy

logs.begin(snakemake)

params = snakemake.params
accuracy = tidy.read(snakemake.input.accuracy, model=params.models)
quality = tidy.read([snakemake.input.quality])
paper = tidy.read(snakemake.input.paper) if snakemake.input.paper else None
table = tables.table_1(accuracy, quality, params.filters, params.same_crop, params.intervals, paper)
notes = tables.notes_on_chance(accuracy, params.choices)
notes += tables.notes_on_accuracy(accuracy, params.images_asked, params.intervals) + tables.NOTES_1
title = "Table I. Accuracy under Gaussian blur"
tables.write_table(table, tables.print_table_1(table), title, notes, snakemake.output)
