"""Mask invariance: embeddings of one image under many masks against those of different images."""

from maescope import invariance, layerplots, layertables, logs, plots, tidy

logs.begin(snakemake)

pairs = tidy.read([snakemake.input.measure])
pairs["compared"] = invariance.compared(pairs)
numbers = layertables.mask_numbers(pairs)
plots.save(layerplots.figure_masks(pairs), snakemake.output.pdf, snakemake.output.png)
tidy.write(numbers, snakemake.output.numbers)
tidy.write_text(layertables.masks_seen(numbers, invariance.norms(pairs)), snakemake.output.seen)
