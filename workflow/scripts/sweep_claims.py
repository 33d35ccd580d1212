"""Whether settings between the extremes give the more semantic representations, measure by measure."""

from maescope import logs, sweep, sweepclaims, sweeptables, tables, tidy

logs.begin(snakemake)

confidence = snakemake.params.confidence
table = sweepclaims.verdicts(sweep.points(tidy.read([snakemake.input.runs])), confidence)
title = "Does an intermediate mask ratio or patch size give more?"
notes = sweeptables.verdict_notes(table, confidence)
tables.write_table(table, sweeptables.printed_verdicts(table), title, notes, snakemake.output)
