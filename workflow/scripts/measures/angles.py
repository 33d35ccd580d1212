"""Principal angles between all pairs of class subspaces, with split halves of a class and random ones as baselines."""

import numpy as np
import pandas as pd

from maescope.base import logs, tidy
from maescope.measures import angles

logs.begin(snakemake)

params, frames = snakemake.params, []
with np.load(snakemake.input.bases) as found:
    labels = found["labels"].tolist()
    for level in found["levels"]:
        halves = [found[f"{level}/{name}"] for name in ("whole", "even", "odd")]
        for k in found[f"{level}/k"]:
            table = angles.angle_table(*halves, labels, int(k), params.draws, params.seed, params.every)
            frames.append(table.assign(level=level))
measure = pd.concat(frames)
tidy.write(measure[["level", *measure.columns.drop("level")]], snakemake.output.measure)
