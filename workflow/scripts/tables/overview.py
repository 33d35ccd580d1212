"""The overview page: what the study was made of."""

from pathlib import Path

import pandas as pd

from maescope.base import logs, provenance, tidy
from maescope.study import sizes
from maescope.tables import accuracies, overview

logs.begin(snakemake)

params = snakemake.params
weights = {name: params.config["models"][name]["weights"] for name in params.used}
digests = {name: provenance.digest(path) for name, path in weights.items() if path in snakemake.input.weights}
benchmarks = {}
for path in Path("results/benchmarks").rglob("*.tsv"):
    rule, *of = path.relative_to("results/benchmarks").with_suffix("").parts
    if set(of) <= set(params.names):  # another study may have left some here
        benchmarks[rule, ", ".join(of)] = pd.read_csv(path, sep="\t")
sections = {
    "Models": overview.models_table({name: params.config["models"][name] for name in params.used}, digests),
    "Run times": overview.times_table(benchmarks),
    "Versions": overview.versions_table(),
    "Settings": overview.settings_table(params.config),
}
accuracy = tidy.read(snakemake.input.accuracy, "model")
study = params.config["study"]
title, note = study["title"] or f"Study {study['name']}", study["note"]
warnings = [note] if note else []
without = [name for name in params.used if not sizes.has_cls(params.config["models"][name])]
warnings += (
    [f"Without a CLS token, so left out of all that is measured of it: {', '.join(without)}."] if without else []
)
warnings += accuracies.notes_on_doubts(accuracy, params.outputs, params.choices)
lead = f"Fingerprint of the settings, as in all figures and tables: {provenance.fingerprint(snakemake.config)}. "
lead += "A study with the same fingerprint was asked the same."
tidy.write_text(overview.page(title, study["authors"], lead, sections, warnings), snakemake.output.html)
