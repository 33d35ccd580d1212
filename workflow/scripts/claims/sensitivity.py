"""Each conclusion under each convention: a matrix as a table and as a heat map."""

from maescope.base import logs, tidy
from maescope.claims import sensitivity
from maescope.figures import style
from maescope.figures.sensitivity import heat_map
from maescope.tables import writing

logs.begin(snakemake)

given, conventions, output = snakemake.input, snakemake.params.conventions, snakemake.output
of = {tidy.told_by(path, "convention"): path for path in given.claims}
under = {name: tidy.read([of[name]]) for name in conventions}
matrix = sensitivity.matrix(tidy.read([given.study]), under)
title = "What depends on conventions that the paper leaves open"
writing.write_table(matrix, sensitivity.print_matrix(matrix), title, sensitivity.notes(matrix, conventions), output)
style.save(heat_map(matrix), output.pdf, output.png)
tidy.write(matrix, output.numbers)
