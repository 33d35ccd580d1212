"""Whether a model's head and a dataset's labels go together, by a few clean images."""

import json

import torch

from maescope import checks, images, logs, models, tidy

logs.begin(snakemake)
torch.set_num_threads(snakemake.threads)

spec, classes = snakemake.params.model, snakemake.params.classes
model = models.build(spec["architecture"], spec["arguments"], spec["num_classes"], spec["pooling"])
found = {"sha256": models.load(model, spec["weights"], snakemake.resources.sha256)}
found["classes"] = {"first": classes[0], "last": classes[-1]}
rows = checks.few(tidy.read([snakemake.input.images]), 20)
found["clean"] = checks.clean_accuracy(model, rows, images.Preprocessing(**spec["preprocessing"]))
tidy.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", snakemake.output.found)
