"""Table II: accuracy under fifteen corruptions, five severities each."""

from maescope import corrupted, logs, tables, tidy

logs.begin(snakemake)

params = snakemake.params
accuracy = tidy.read(snakemake.input.accuracy, model=params.models, perturbation=params.perturbations)
paper = tidy.read(snakemake.input.paper) if snakemake.input.paper else None
table = corrupted.table_2(accuracy, params.sources, params.intervals, paper, params.first, params.imagenet)
notes = tables.notes_on_chance(accuracy, params.choices)
notes += tables.notes_on_accuracy(accuracy, params.images_asked, params.intervals)
notes += corrupted.notes(table, params.sources, params.small)
generated = any(source["source"].startswith("generated") for source in params.sources.values())
title = "Table II. Accuracy under corruptions (%)" + (", generated" if generated else "")
tables.write_table(table, corrupted.print_table_2(table), title, notes, snakemake.output)
