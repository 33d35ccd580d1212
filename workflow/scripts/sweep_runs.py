"""Every measure of every model of a sweep in one file: one row a model, measure and layer."""

import pandas as pd

from maescope import logs, sweep, tidy

logs.begin(snakemake)

given, params = snakemake.input, snakemake.params
measured = [
    sweep.separations(tidy.read(given.unmasked, model=params.pretrained), sweep.UNMASKED),
    sweep.separations(tidy.read(given.masked, model=params.pretrained), sweep.OWN),
    sweep.angles(tidy.read(given.angles, model=params.pretrained)),
]
if given.rebuilt:
    measured.append(sweep.rebuilt(tidy.read(given.rebuilt, model=params.rebuilt)))
if given.accuracy:
    measured.append(sweep.robustness(tidy.read(given.accuracy, **params.conditions)))
tidy.write(sweep.runs(measured, pd.DataFrame(params.models)), snakemake.output.runs)
