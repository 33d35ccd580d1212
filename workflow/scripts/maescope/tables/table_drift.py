"""Which measure of drift, of embeddings from clean to perturbed, foretells where accuracy is lost."""

from functools import partial

import numpy as np
import pandas as pd

from maescope.base import statistics
from maescope.tables import writing

IMAGE = ["model", "label", "image"]
DRIFTS = {"cosine": "1 - cosine", "euclidean": "distance", "relative": "distance / norm", "norm": "change of norm"}
OF_IMAGES = DRIFTS | {"radius": "divergence radius"}  # which is of all levels together


def drifts(alignment: pd.DataFrame) -> pd.DataFrame:
    """The measure `alignment` of each model's last layer, with a column for each of `OF_IMAGES`.

    The Euclidean distance follows from cosine and norms by the law of cosines; relative, over the clean norm. Images
    that have no cosine, and level 0 of occlusion, which changes nothing, are left out.
    """
    last = alignment["layer"] == alignment.groupby("model")["layer"].transform("max")
    own = alignment[last & alignment["cosine"].notna() & (alignment["level"] != "0")]
    before, after, cosine = (own[name].astype(float) for name in ("norm_clean", "norm_perturbed", "cosine"))
    euclidean = np.sqrt(np.maximum((before - after) ** 2 + 2 * before * after * (1 - cosine), 0))
    found = {
        "cosine": 1 - cosine,
        "euclidean": euclidean,
        "relative": euclidean / before,
        "norm": (before - after).abs(),
    }
    return own[["perturbation", "level", *IMAGE, "correct", "radius"]].assign(**found)


def table(alignment: pd.DataFrame, clean: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Spearman's rank correlation of each drift with the loss of accuracy, over conditions and over images.

    Over conditions: mean drift of all images against the share of them that is lost. Over images that are right when
    clean: an image's mean drift over all conditions against in how many of them it is wrong.

    Parameters
    ----------
    alignment : measure `alignment` with columns `model` and `perturbation`
    clean : measure `accuracy` of the clean images, with column `model`

    Returns
    -------
    model, over, perturbation (all for images: `all`), drift, correlation, low, high, chance, count
    """
    before = clean[[*IMAGE, "correct"]].rename(columns={"correct": "before"})
    measured = drifts(alignment).merge(before, on=IMAGE, validate="many_to_one")
    measured["lost"] = measured["before"].astype(int) - measured["correct"].astype(int)
    rows = []
    for model, own in measured.groupby("model", sort=False):
        columns = [*OF_IMAGES, "lost"]
        conditions = own.groupby(["perturbation", "level"], sort=False)[columns].mean().reset_index()
        images = own[own["before"] == 1].groupby(["label", "image"], sort=False)[columns].mean()
        parts = [("conditions", name, part) for name, part in conditions.groupby("perturbation", sort=False)]
        for over, perturbation, part in [*parts, ("conditions", "all", conditions), ("images", "all", images)]:
            for drift in OF_IMAGES if over == "images" else DRIFTS:
                found = statistics.rank_correlation(part[drift].to_numpy(), part["lost"].to_numpy(), confidence)
                row = {"model": model, "over": over, "perturbation": perturbation, "drift": drift}
                ends = {"low": found.low, "high": found.high, "chance": found.chance}
                rows.append(row | {"correlation": found.value} | ends | {"count": len(part)})
    return pd.DataFrame(rows)


def notes(confidence: float) -> list[str]:
    """What a reader must know."""
    return [
        "Drift of mean patch tokens at the last layer from the clean to the perturbed image: 1 - cosine, Euclidean "
        "distance, that over the clean norm, and the absolute change of norm. Spearman's rank correlation with the "
        "loss of accuracy: over conditions, of the mean over images; over images that are right when clean, of the "
        "mean over conditions with the share of them in which the image is wrong. Over images also the divergence "
        "radius (Liu et al. 2026), of the smallest ball around an image's embeddings at length 1, clean and at all "
        "levels of a perturbation.",
        f"In brackets the {100 * confidence:g} % interval of Bonett and Wright (2000). Chance: random orders are "
        f"farther from 0 in {100 * (1 - confidence):.2g} % of cases. Levels of one perturbation are in an order "
        "already, so any measure that grows with it correlates over conditions; over images nothing does so by itself.",
    ]


_COLUMNS: list[writing.Column] = [
    ("model", lambda r: r["model"]),
    ("over", lambda r: f"{r['count']} {r['over']}"),
    ("perturbation", lambda r: r["perturbation"]),
    ("drift", lambda r: OF_IMAGES[r["drift"]]),
    ("rank correlation", partial(writing.interval, value="correlation", low="low", high="high", digits=2)),
    ("chance", lambda r: f"±{writing.number(r['chance'], 2)}"),
]


def printed(table: pd.DataFrame) -> pd.DataFrame:
    """The table as text."""
    return writing.as_text(table, _COLUMNS)
