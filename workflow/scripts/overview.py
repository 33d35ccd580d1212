"""The overview page: what the study was made of."""

import hashlib
from pathlib import Path

import pandas as pd

from maescope import logs, overview, tidy

logs.to_file(snakemake.log[0])

params = snakemake.params
digests = {}
for name, path in zip(params.files, snakemake.input.weights, strict=True):
    with open(path, "rb") as file:
        digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
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
lead = f"Fingerprint of all settings: {params.fingerprint}. A study with the same fingerprint was asked the same."
tidy.write_text(overview.page(f"Study {params.config['study']['name']}", lead, sections), snakemake.output.html)
