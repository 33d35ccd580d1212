"""What a model is, and whether its weights give sensible answers."""

import json

import torch

from maescope import checks, logs, models, tidy

logs.begin(snakemake)
torch.set_num_threads(snakemake.threads)

spec = snakemake.params.model
model = models.build(spec["architecture"], spec["arguments"], spec["num_classes"], spec["pooling"])
models.require_input(model, spec["preprocessing"]["crop"])
found = {"weights": spec["weights"], "sha256": models.load(model, spec["weights"], snakemake.resources.sha256)}
found |= {"shapes": checks.describe(model), "answer": checks.fingerprint(model, spec["weights"], snakemake.params.seed)}
tidy.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", snakemake.output.found)
