"""Accuracy under distribution shift, and the text's numbers, each beside the paper's."""

import pandas as pd

from maescope import logs, shifts, tables, tidy

logs.to_file(snakemake.log[0])

given, params, parts = snakemake.input, snakemake.params, []
if given.shift:
    paper = shifts.published(tidy.read([given.paper]))
    shift = tidy.read(given.shift, model=params.models, dataset=params.datasets)
    parts.append(shifts.shifted(shift, params.pairs, params.lists, paper, params.intervals))
parts.append(shifts.from_claims(tidy.read([given.claims])))
table = pd.concat(parts, ignore_index=True)
title = "Distribution shift, and the numbers of the text"
tables.write_table(table, shifts.print_shifts(table), title, shifts.NOTES, snakemake.output)
