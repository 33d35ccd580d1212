"""What a model is, and whether its weights give sensible answers."""

import json
import logging

import torch

from maescope.base import logs, tidy
from maescope.models import architectures, checkpoints
from maescope.tokens import model_checks

logs.begin(snakemake, loud=logging.WARNING)  # what is doubtful about weights is told here, once per model
torch.set_num_threads(snakemake.threads)

spec = snakemake.params.model
model = architectures.build(spec["architecture"], spec["arguments"], spec["num_classes"], spec["pooling"])
digest = checkpoints.load(model, spec["weights"], snakemake.resources.sha256, spec.get("weights_key"))
found = {"weights": spec["weights"], "sha256": digest, "layout": model.layout}
architectures.require_input(model, spec["preprocessing"]["crop"], resample=spec.get("resample_positions", False))
found |= {
    "shapes": model_checks.describe(model),
    "answer": model_checks.fingerprint(model, spec["weights"], snakemake.params.seed),
}
tidy.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", snakemake.output.found)
