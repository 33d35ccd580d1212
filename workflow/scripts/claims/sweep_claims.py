"""Whether settings between the extremes give the more semantic representations, measure by measure."""

from maescope.base import logs, tidy
from maescope.claims import sweep_claims
from maescope.tables import sweep, writing

logs.begin(snakemake)

confidence = snakemake.params.confidence
table = sweep_claims.verdicts(sweep.points(tidy.read([snakemake.input.runs])), confidence)
title = "Does an intermediate mask ratio or patch size give more?"
notes = sweep_claims.verdict_notes(table, confidence)
writing.write_table(table, sweep_claims.printed_verdicts(table), title, notes, snakemake.output)
