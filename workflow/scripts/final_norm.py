"""The final norm of a model, read from its weights."""

from maescope import finalnorm, logs, models

logs.begin(snakemake)

spec = snakemake.params.model
model = models.build(spec["architecture"], spec["arguments"], spec["num_classes"], spec["pooling"])
digest = models.load(model, spec["weights"], snakemake.resources.sha256)
finalnorm.write(finalnorm.of(model, digest), snakemake.output.norm)
