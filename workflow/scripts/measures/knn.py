"""k-NN of a model's last layer after its final norm, the images of `study.reference` voting."""

import pandas as pd

from maescope.base import logs, tidy
from maescope.measures import embeddings, knn
from maescope.models import architectures, checkpoints
from maescope.tokens import final_norm, store

logs.begin(snakemake)

params, spec = snakemake.params, snakemake.params.model
model = architectures.build(spec["architecture"], spec["arguments"], spec["num_classes"], spec["pooling"])
digest = checkpoints.load(model, spec["weights"], snakemake.resources.sha256, spec.get("weights_key"))
norm = final_norm.of(model, digest)

own = store.token_files(params.labels, snakemake.input.tokens, params.config_hash)
voting = store.token_files(params.labels, snakemake.input.reference, params.reference_hash)
for file in (*own.values(), *voting.values()):
    norm.require_own(file)
first, frames = next(iter(own.values())), []
level = first.levels[0]
for token in first.embeddings:
    layer = first.shape(level, token)[0]
    points, others = (embeddings.collect(files, level, token, layer) for files in (own, voting))
    normed = [norm.applied(each.values) for each in (points, others)]
    measured = knn.measure(normed[0], points.labels, normed[1], others.labels, params.confidence)
    frames.append(measured.assign(token=token))
tidy.write(pd.concat(frames), snakemake.output.measure)
