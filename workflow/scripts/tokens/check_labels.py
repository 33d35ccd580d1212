"""Whether a model's head and a dataset's labels go together, by a few clean images."""

import json

import torch

from maescope.base import logs, tidy
from maescope.images import reading
from maescope.models import architectures, checkpoints
from maescope.tokens import model_checks

logs.begin(snakemake)
torch.set_num_threads(snakemake.threads)

spec, outputs = snakemake.params.model, snakemake.params.outputs
model = architectures.build(spec["architecture"], spec["arguments"], spec["num_classes"], spec["pooling"])
found = {"sha256": checkpoints.load(model, spec["weights"], snakemake.resources.sha256, spec.get("weights_key"))}
architectures.require_input(model, spec["preprocessing"]["crop"], resample=spec.get("resample_positions", False))
found["classes"] = {"first": outputs[0], "last": outputs[-1]}
rows = model_checks.few(tidy.read([snakemake.input.images]), 20)
found["clean"] = model_checks.clean_accuracy(model, rows, reading.Preprocessing(**spec["preprocessing"]), outputs)
tidy.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", snakemake.output.found)
