"""Claims beside the figures, one row each: what was measured, its baseline and the paper's value."""

import pandas as pd

from maescope import claims, invariance, logs, tables, tidy

logs.to_file(snakemake.log[0])

paper = tidy.read(snakemake.input.paper) if snakemake.input.paper else None
pairs = tidy.read([snakemake.input.mask_invariance])
pairs["compared"] = invariance.compared(pairs)
rows = [claims.mask_shifts(pairs, invariance.norms(pairs), snakemake.params.intervals, paper)]
table = pd.concat(rows, ignore_index=True)
tables.write_table(table, tables.print_shifts(table), "Other claims", tables.NOTES_SHIFTS, snakemake.output)
