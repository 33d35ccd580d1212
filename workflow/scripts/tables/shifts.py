"""Accuracy under distribution shift, and the text's numbers, each beside the paper's."""

import pandas as pd

from maescope.base import logs, tidy
from maescope.measures import mask_invariance
from maescope.tables import shifts, writing

logs.begin(snakemake)

given, params, parts, notes, of_masks = snakemake.input, snakemake.params, [], [], []
if given.shift:
    paper = shifts.published(tidy.read([given.paper]))
    shift = tidy.read(given.shift, "model", "dataset")
    parts.append(shifts.shifted(shift, params.pairs, params.lists, paper, params.first, params.intervals))
    notes = shifts.notes_on_doubts(shift, params.pairs, params.outputs)
if given.mask_invariance:
    pairs = tidy.read(given.mask_invariance)
    pairs["compared"] = mask_invariance.compared(pairs)
    norms = mask_invariance.norms(pairs)
    parts.append(shifts.mask_shifts(pairs, norms, params.intervals, tidy.read([given.paper])))
    of_masks = shifts.notes_on_masks(norms)
parts.append(shifts.from_claims(tidy.read([given.claims])))
table = shifts.with_differences(pd.concat(parts, ignore_index=True), params.repeats_paper)
title = "Distribution shift, mask invariance, and the numbers of the text"
notes += shifts.NOTES + of_masks
writing.write_table(table, shifts.print_shifts(table), title, notes, snakemake.output)
