"""k-NN by images that vote, model by model."""

from maescope.base import logs, tidy
from maescope.tables import table_knn, writing

logs.begin(snakemake)

table = table_knn.table(tidy.read(snakemake.input.measures, "model"), snakemake.params.pooling)
notes = table_knn.notes(snakemake.params.reference, table)
title = "k-NN of the last layer: images of another dataset vote"
writing.write_table(table, table_knn.printed(table), title, notes, snakemake.output)
