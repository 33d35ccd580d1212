"""What a model is, and whether its weights, its head and a few clean images go together."""

import json

import torch

from maescope import checks, images, logs, models, tidy

logs.begin(snakemake)
torch.set_num_threads(snakemake.threads)

spec, classes = snakemake.params.model, snakemake.params.classes
model = models.build(spec["architecture"], spec["arguments"], spec["num_classes"], spec["pooling"])
models.require_input(model, spec["preprocessing"]["crop"])
found = {"weights": spec["weights"], "sha256": models.load(model, spec["weights"], snakemake.resources.sha256)}
found |= {"shapes": checks.describe(model), "answer": checks.fingerprint(model, spec["weights"], snakemake.params.seed)}
if snakemake.input.images:
    rows = checks.few(tidy.read([snakemake.input.images]), 20)
    found["classes"] = {"of": snakemake.params.dataset, "first": classes[0], "last": classes[-1]}
    found["clean"] = checks.clean_accuracy(model, rows, images.Preprocessing(**spec["preprocessing"]))
tidy.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", snakemake.output.found)
