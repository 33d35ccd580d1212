"""Images through a perturbation and a model into token files, one per label."""

from functools import partial

import torch

from maescope.base import logs, memory, progress, provenance, tidy
from maescope.images import perturbations, reading
from maescope.models import architectures, checkpoints, devices
from maescope.tokens import extraction, keeping, store

logs.begin(snakemake)
torch.set_num_threads(snakemake.threads)

spec, params, name = snakemake.params.model, snakemake.params, snakemake.wildcards.perturbation
rows = tidy.read([snakemake.input.images])
extraction.require_targets(rows, params.outputs, spec["num_classes"], params.dataset)
perturbation = perturbations.build(params.perturbation, params.seed, params.dataset)
extraction.require_corrupted(perturbation, rows)
model = architectures.build(spec["architecture"], spec["arguments"], spec["num_classes"], spec["pooling"])
digest = checkpoints.load(model, spec["weights"], snakemake.resources.sha256, spec.get("weights_key"))
architectures.require_input(model, spec["preprocessing"]["crop"], resample=spec.get("resample_positions", False))
model = devices.to_device(model, snakemake.resources.device, spec["precision"])

extractor = extraction.Extractor(
    model,
    perturbation,
    reading.Preprocessing(**spec["preprocessing"]),
    patch=params.patch,
    attention=params.perturbation["kind"] == "clean",
    options=params.options,
)
extraction.require_pieces(extractor, snakemake.wildcards.model, spec["tokens_dtype"])
attributes = {
    "model": snakemake.wildcards.model,
    "dataset": params.dataset,
    "perturbation": name,
    "config_hash": params.config_hash,
    "weights_sha256": digest,
    "weights_layout": model.layout,
    **extraction.beside_patches(model),
    "seed": params.seed,
    "threads": snakemake.threads,
    "device": str(extractor.device),
}
decides = provenance.deciding() | {"batch_size": snakemake.resources.batch_size, "kind": devices.kind(extractor.device)}
outputs = store.places(params.labels, snakemake.output.contents)
kept = keeping.Keeper(
    outputs,
    rows,
    partial(extraction.pictures, perturbation),
    attributes,
    decides,
)
memory.keep_freed()
with progress.counting(f"{snakemake.wildcards.model} {name}", "image", len(rows)) as count:
    count(kept.take_over())
    while missing := kept.missing():
        done = extraction.extract(
            extractor,
            rows,
            missing,
            store.paths(params.labels, snakemake.input.clean) if snakemake.input.clean else None,
            kept.attributes,
            snakemake.resources.batch_size,
            spec["tokens_dtype"],
            params.clean_hash,
            snakemake.threads,
        )
        for images in done:
            count(images)
tidy.write(store.contents(outputs), snakemake.output.contents)
