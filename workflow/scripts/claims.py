"""What the paper says against what was measured, claim by claim."""

from maescope import claims, logs, sensitivity, tables, tidy

logs.begin(snakemake)

given, params = snakemake.input, snakemake.params
single = ("attention", "attention_supervised", "separation", "mask_invariance", "angles", "features")
evidence = claims.Evidence(
    accuracy=tidy.read(given.accuracy, perturbation=params.perturbations),
    alignment=tidy.read(given.alignment, perturbation=[params.study["blur"], params.study["occlusion"]]),
    shift={name: tidy.read([path]) for name, path in zip(params.shifted, given.shift, strict=True)},
    intervals=params.intervals,
    **{name: tidy.read([given[name]]) for name in single if given[name]},
    **params.study,
)
table = claims.table(evidence, sensitivity.touched(tidy.read([given.claims]), params.convention))
title = "What the paper says, against what was measured here"
tables.write_table(table, claims.print_claims(table), title, claims.NOTES, snakemake.output)
