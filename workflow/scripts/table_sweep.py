"""Measures of a sweep by setting, with intervals over models."""

from maescope import logs, sweep, sweeptables, tables, tidy

logs.begin(snakemake)

params = snakemake.params
runs = tidy.read([snakemake.input.runs])
table = sweep.summary(sweep.points(runs), params.confidence)
notes = sweeptables.notes(runs, params.images, params.classes, params.confidence)
title = "Measures by mask ratio and patch size"
tables.write_table(table, sweeptables.printed_settings(table), title, notes, snakemake.output)
