"""Table III: cosine of clean and perturbed embeddings, under blur (a) and occlusion (b)."""

from itertools import product

from maescope import logs, tables, tidy

logs.begin(snakemake)

params = snakemake.params
models, perturbations = zip(*product(params.models, params.perturbations), strict=True)
alignment = tidy.read(snakemake.input.alignment, model=models, perturbation=perturbations)
models, perturbations = zip(*product(params.models, ["clean", *params.perturbations]), strict=True)
accuracy = tidy.read(snakemake.input.accuracy, model=models, perturbation=perturbations)
paper = tidy.read(snakemake.input.paper) if snakemake.input.paper else None
table = tables.table_3(alignment, accuracy, params.intervals, paper)
notes = tables.notes_on_chance(accuracy, params.choices)
notes += tables.notes_on_accuracy(accuracy, params.images_asked, params.intervals) + tables.NOTES_3
title = "Table III. Cosine of clean and perturbed embeddings"
tables.write_table(table, tables.print_table_3(table), title, notes, snakemake.output)
