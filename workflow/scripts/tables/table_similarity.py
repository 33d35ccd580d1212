"""Whether conclusions by linear CKA hold by other measures of similarity."""

from maescope.base import logs, tidy
from maescope.measures import similarity
from maescope.tables import table_similarity, writing

logs.begin(snakemake)

measured = tidy.read([snakemake.input.measure])
params = snakemake.params
table = table_similarity.table(similarity.conclusions(measured, params.finetuned, params.confidence))
title = "Do conclusions by linear CKA survive another measure of similarity?"
notes = table_similarity.notes(table, params.confidence)
writing.write_table(table, table_similarity.printed(table), title, notes, snakemake.output)
