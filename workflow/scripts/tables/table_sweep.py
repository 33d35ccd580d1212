"""Measures of a sweep by setting, with intervals over models."""

from maescope.base import logs, tidy
from maescope.tables import sweep, table_sweep, writing

logs.begin(snakemake)

params = snakemake.params
runs = tidy.read([snakemake.input.runs])
table = sweep.summary(sweep.points(runs), params.confidence)
notes = table_sweep.notes(runs, params.images, params.classes, params.confidence)
title = "Measures by mask ratio and patch size"
writing.write_table(table, table_sweep.printed_settings(table), title, notes, snakemake.output)
