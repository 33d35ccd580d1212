"""Every measure of every model of a sweep in one file: one row per model, measure and layer."""

import pandas as pd

from maescope.base import logs, tidy
from maescope.tables import sweep

logs.begin(snakemake)

given, params = snakemake.input, snakemake.params
measured = [
    sweep.separations(tidy.read(given.unmasked, "model"), sweep.UNMASKED),
    sweep.separations(tidy.read(given.masked, "model"), sweep.OWN),
    sweep.angles(tidy.read(given.angles, "model")),
]
if given.rebuilt:
    measured.append(sweep.rebuilt(tidy.read(given.rebuilt, "model")))
if given.accuracy:
    accuracy = tidy.read(given.accuracy, "model", "perturbation")
    accuracy["family"] = accuracy["perturbation"].map(params.families)
    measured.append(sweep.robustness(accuracy))
tidy.write(sweep.runs(measured, pd.DataFrame(params.models)), snakemake.output.runs)
