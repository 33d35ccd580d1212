"""Each conclusion under each convention: a matrix as a table and as a heat map."""

from maescope import logs, plots, sensitivity, sensitivityplots, tables, tidy

logs.begin(snakemake)

given, conventions, output = snakemake.input, snakemake.params.conventions, snakemake.output
under = {name: tidy.read([path]) for name, path in zip(conventions, given.claims, strict=True)}
matrix = sensitivity.matrix(tidy.read([given.study]), under)
title = "What depends on conventions that the paper leaves open"
tables.write_table(matrix, sensitivity.print_matrix(matrix), title, sensitivity.notes(matrix, conventions), output)
plots.save(sensitivityplots.heat_map(matrix), output.pdf, output.png)
tidy.write(matrix, output.numbers)
