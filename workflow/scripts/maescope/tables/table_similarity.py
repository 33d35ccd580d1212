"""Whether what linear CKA says of likeness is said by mutual k-NN and Procrustes as well."""

import numpy as np
import pandas as pd

from maescope.tables.writing import interval, number

MEASURES = {"cka": "linear CKA", "mutual_knn": "mutual k-NN", "procrustes": "Procrustes"}
LEAST = 0.01  # a smaller difference is none (our reading)


def table(conclusions: pd.DataFrame) -> pd.DataFrame:
    """Each conclusion by each measure: conclusion, measure, verdict, flips, difference, low, high, a, b, chance.

    It flips where linear CKA says yes and another measure no, or the other way round. It is open where the interval of
    the difference has 0 in it.

    Parameters
    ----------
    conclusions : of `measures.similarity.conclusions`
    """
    difference, low, high = (conclusions[name] for name in ("difference", "low", "high"))
    open_ = ~((low > 0) | (high < 0))
    cases = [difference.isna(), difference.abs() <= LEAST, open_, difference > 0]
    said = np.select(cases, ["–", "equal", "open", "yes"], "no")
    whole = conclusions.assign(verdict=said)
    by_cka = whole["conclusion"].map(whole[whole["measure"] == "cka"].set_index("conclusion")["verdict"])
    flips = [{one, other} == {"yes", "no"} for one, other in zip(by_cka, whole["verdict"], strict=True)]
    columns = ["conclusion", "measure", "verdict", "flips", "difference", "low", "high", "a", "b", "chance"]
    return whole.assign(flips=flips)[columns]


def printed(whole: pd.DataFrame) -> pd.DataFrame:
    """Conclusions in rows, measures in columns."""
    cells = whole.assign(
        cell=[
            ("FLIPS: " if row["flips"] else "")
            + f"{row['verdict']}: {number(row['a'], 2)} to {number(row['b'], 2)}, "
            + f"by {interval(row, 'difference', 'low', 'high', 2, sign=True)} (chance {number(row['chance'], 2)})"
            for _, row in whole.iterrows()
        ]
    )
    wide = cells.pivot(index="conclusion", columns="measure", values="cell").loc[whole["conclusion"].unique()]
    return wide[list(MEASURES)].rename(columns=MEASURES).reset_index()


def notes(whole: pd.DataFrame, confidence: float) -> list[str]:
    """What a reader must know, the one-line summary first."""
    flipped = whole.loc[whole["flips"], "conclusion"].nunique()
    total = whole["conclusion"].nunique()
    return [
        f"{flipped} of {total} conclusions by linear CKA flip by another measure.",
        "Mean patch tokens, each layer of a perturbed image with the same layer of the clean one, or of two models the "
        "layers at the same depth. A cell has whether the conclusion holds, both similarities that it compares, by how "
        "much the first is larger, and the larger of what the images in a random order give. Values that differ by "
        f"{LEAST:g} or less are equal; where the interval has 0 in it, the conclusion is open.",
        f"In brackets the {100 * confidence:g} % interval of the difference, of the images within these classes: the "
        "jackknife of up to twenty groups of images, each with its share of every class, of which one after the other "
        "is left out (Kott 2001). A bootstrap will not do: an image that is drawn twice is its own nearest neighbour.",
        "Linear CKA (Kornblith et al. 2019); mutual k-NN, the share of an image's nearest neighbours by cosine that "
        "both have (Huh et al. 2024); Procrustes, the sum of singular values of A^T B of centred features of norm 1 "
        "(Ding et al. 2021). All are 1 for representations that are equal up to rotation and scale.",
    ]
