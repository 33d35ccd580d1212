"""Table III: cosine of clean and perturbed embeddings, under blur (a) and occlusion (b)."""

from maescope.base import logs, tidy
from maescope.tables import accuracies, table_3, writing

logs.begin(snakemake)

params = snakemake.params
alignment = tidy.read(snakemake.input.alignment, "model", "perturbation", last="layer")
accuracy = tidy.read(snakemake.input.accuracy, "model", "perturbation")
paper = tidy.read(snakemake.input.paper) if snakemake.input.paper else None
table = table_3.table(alignment, accuracy, params.intervals, paper)
notes = accuracies.notes_on_doubts(accuracy, params.outputs, params.choices)
notes += accuracies.notes_on_accuracy(accuracy, params.images_asked, params.intervals) + table_3.notes(alignment)
notes += accuracies.notes_on_size(tidy.read([snakemake.input.images]), params.resize)
title = "Table III. Cosine of clean and perturbed embeddings"
writing.write_table(table, table_3.printed(table), title, notes, snakemake.output)
