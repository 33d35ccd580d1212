"""From the measure `features` to the numbers of Figures 6 to 8."""

import pandas as pd

from maescope.base import statistics


def maps(features: pd.DataFrame) -> pd.DataFrame:
    """Common features of each layer and head, mean over classes: on clean images, then what each level retains.

    Returns
    -------
    level (`clean` first), layer, head, features
    """
    by = ["level", "layer", "head"]
    means = features.groupby(by, sort=False)[["common_clean", "common_perturbed"]].mean().reset_index()
    first = means[means["level"] == means["level"].iloc[0]].assign(level="clean")
    clean = first.rename(columns={"common_clean": "features"})
    perturbed = means.rename(columns={"common_perturbed": "features"})
    return pd.concat([clean, perturbed], ignore_index=True)[[*by, "features"]]


def drops(features: pd.DataFrame, intervals: dict) -> pd.DataFrame:
    """Figure 8: how many common features a level costs, mean over layers and heads, then over classes.

    Intervals resample classes. `shuffled` is the same of classes whose labels were shuffled over the images.

    Parameters
    ----------
    features : measure `features` with columns `model` and `perturbation`
    intervals : resamples, confidence and seed
    """
    counts = ["common_clean", "common_perturbed", "shuffled_clean", "shuffled_perturbed"]
    by = ["model", "perturbation", "level"]
    classes = features.groupby([*by, "label"], sort=False)[counts].mean().reset_index()
    rows = []
    for key, part in classes.groupby(by, sort=False):
        row = dict(zip(by, key, strict=True)) | {"classes": len(part)}
        for name, kind in (("", "common"), ("shuffled_", "shuffled")):
            drop = (part[f"{kind}_clean"] - part[f"{kind}_perturbed"]).to_numpy()
            low, high = statistics.bootstrap(drop, ["all"] * len(drop), **intervals)
            row |= {f"{name}clean": part[f"{kind}_clean"].mean(), f"{name}drop": drop.mean()}
            row |= {f"{name}drop_low": low, f"{name}drop_high": high}
        rows.append(row)
    return pd.DataFrame(rows)
