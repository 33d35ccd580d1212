"""The final norm of a model, read from its weights."""

from maescope.base import logs
from maescope.models import architectures, checkpoints
from maescope.tokens import final_norm

logs.begin(snakemake)

spec = snakemake.params.model
model = architectures.build(spec["architecture"], spec["arguments"], spec["num_classes"], spec["pooling"])
digest = checkpoints.load(model, spec["weights"], snakemake.resources.sha256, spec.get("weights_key"))
final_norm.write(final_norm.of(model, digest), snakemake.output.norm)
