"""What the paper says against what was measured, claim by claim."""

from maescope.base import logs, tidy
from maescope.claims import claims, sensitivity, verdicts
from maescope.tables import accuracies, writing

logs.begin(snakemake)

given, params = snakemake.input, snakemake.params
alignment = tidy.read(given.alignment, "perturbation", last="layer") if given.alignment else None
single = ("attention", "attention_supervised", "separation", "mask_invariance", "angles", "features")
shift = tidy.read(given.shift, "dataset") if given.shift else None
evidence = verdicts.Evidence(
    accuracy=tidy.read(given.accuracy, "perturbation"),
    alignment=alignment,
    shift={name: shift[shift["dataset"] == dataset] for name, dataset in params.shifted.items()},
    intervals=params.intervals,
    **{name: tidy.read(given[name]) for name in single if given[name]},
    **params.study,
)
clean = verdicts.condition(evidence.accuracy, "clean", "clean").assign(model=params.model)
notes = accuracies.notes_on_doubts(clean, evidence.outputs, evidence.choices) + claims.NOTES
table = claims.table(evidence, sensitivity.touched(tidy.read([given.claims]), params.convention))
title = "What the paper says, against what was measured here"
writing.write_table(table, claims.print_claims(table), title, notes, snakemake.output)
