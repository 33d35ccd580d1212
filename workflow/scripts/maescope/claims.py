"""Rows of the table of shifts: one claim each, with its baseline and, where the study is the paper's, its value."""

import numpy as np
import pandas as pd

from maescope import layertables, stats


def mask_shifts(pairs: pd.DataFrame, norms: pd.DataFrame, intervals: dict, claims: pd.DataFrame | None) -> pd.DataFrame:
    """Mask invariance as rows of the table of shifts.

    Parameters
    ----------
    pairs : as `invariance.table`, with `compared`
    norms : label, image, mask, norm
    claims : the paper's claims (claim, value), or None

    Returns
    -------
    claim, quantity, value, low, high, baseline, baseline_value, images, and the paper's value or NaN
    """
    own = pairs[pairs["compared"] == "one image"]
    cosines = own.groupby(["label", "image"], sort=False)["cosine"].mean().reset_index()
    spread = layertables.norm_spread(norms)
    at_mask = norms.groupby("mask")["norm"]
    between_images = float((100 * at_mask.std() / at_mask.mean()).mean())
    between = float(pairs.loc[pairs["compared"] != "one image", "cosine"].mean())
    rows = [
        ("cosine of two masks of one image", cosines["cosine"], "two images", between, np.nan),
        ("range of the norm over masks (%)", spread["range"], "", np.nan, _paper_range(claims)),
        ("deviation of the norm over masks (%)", spread["deviation"], "over images", between_images, np.nan),
    ]
    labels = spread["label"].to_numpy()
    return pd.DataFrame(
        [
            {
                "claim": "mask invariance",
                "quantity": quantity,
                "value": stats.class_mean(values.to_numpy(), labels),
                **dict(zip(("low", "high"), stats.bootstrap(values.to_numpy(), labels, **intervals), strict=True)),
                "baseline": baseline,
                "baseline_value": baseline_value,
                "images": len(values),
                "paper": paper,
            }
            for quantity, values, baseline, baseline_value, paper in rows
        ]
    )


def _paper_range(claims: pd.DataFrame | None) -> float:
    """The range of norms over 100 masks of one image that the paper reports, in percent of its middle."""
    if claims is None:
        return np.nan
    published = claims.set_index("claim")["value"]
    low, high = (published[f"{end} norm over 100 random masks (one image)"] for end in ("lowest", "highest"))
    return 100 * (high - low) / ((high + low) / 2)
