"""Whether the images that sampling found are enough for what the study makes of them, and a reference's are others."""

import json

from maescope.base import logs, tidy
from maescope.images import overlaps
from maescope.study import sample_sizes

logs.begin(snakemake)

images = snakemake.input.images
counts = sample_sizes.counted(images)
sample_sizes.require(counts, json.loads(snakemake.resources.get("asked", "[]")), images)
if judged := snakemake.input.judged:
    overlaps.require_none(snakemake.wildcards.dataset, tidy.read([images]), tidy.read([judged]), judged)
tidy.write_text(json.dumps(counts, indent=1, ensure_ascii=False) + "\n", snakemake.output.found)
