"""How well measures of drift foretell which conditions, and which images, lose accuracy."""

from maescope.base import logs, tidy
from maescope.tables import accuracies, table_drift, writing

logs.begin(snakemake)

params = snakemake.params
alignment = tidy.read(snakemake.input.alignment, "model", "perturbation", last="layer")
clean = tidy.read(snakemake.input.accuracy, "model", "perturbation")
table = table_drift.table(alignment, clean, params.confidence)
notes = accuracies.notes_on_doubts(clean, params.outputs, params.choices) + table_drift.notes(params.confidence)
title = "Which drift of embeddings foretells the loss of accuracy?"
writing.write_table(table, table_drift.printed(table), title, notes, snakemake.output)
