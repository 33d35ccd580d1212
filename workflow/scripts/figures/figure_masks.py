"""Mask invariance: embeddings of one image under many masks against those of different images."""

from maescope.base import logs, tidy
from maescope.figures import masks, style
from maescope.measures import mask_invariance
from maescope.tables import layers

logs.begin(snakemake)

pairs = tidy.read(snakemake.input.measure)
pairs["compared"] = mask_invariance.compared(pairs)
numbers = layers.mask_numbers(pairs)
style.save(masks.figure_masks(pairs), snakemake.output.pdf, snakemake.output.png)
tidy.write(numbers, snakemake.output.numbers)
tidy.write_text(layers.masks_seen(numbers, mask_invariance.norms(pairs)), snakemake.output.seen)
