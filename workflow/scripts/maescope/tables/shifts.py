"""The table of shifts: accuracy on ImageNet-R and -A, mask invariance, and the text's numbers; one row per quantity."""

import numpy as np
import pandas as pd

from maescope.base import statistics
from maescope.tables import accuracies, layers

NOTES_ON_MASKS = [
    "Mask invariance: embeddings are the mean patch token at the last encoder layer, before any final norm; mean over "
    "the images of a class, then over classes; intervals bootstrap over images. The baseline is the same between "
    "images; for the deviation of the norm, over images under one mask each.",
    "The paper: norms from 92.4 to 95.4 over 100 masks of one image, a range of 3.2 %.",
]

COLUMNS = ["claim", "quantity", "value", "low", "high", "baseline", "baseline_value", "images", "paper", "difference"]


def shifted(
    shift: pd.DataFrame,
    pairs: dict[str, str],
    lists: dict[str, str],
    paper: dict[str, float],
    first: str,
    intervals: dict,
) -> pd.DataFrame:
    """Top-1 under distribution shift, beside that of clean images of the same classes, and their difference.

    The images of the two differ, so the interval of the change is Newcombe's of independent proportions.

    Parameters
    ----------
    shift : measure `shift` of all datasets with columns `model` and `dataset`
    pairs : shifted dataset -> clean dataset of the same labels
    lists : shifted dataset -> imagenet-r or imagenet-a, where it has all of its classes
    paper : imagenet-r, imagenet-a -> published top-1 in percent among the 200 classes
    first : the model that is set beside them
    """
    rows = []
    for (model, among), own in shift.groupby(["model", "among"], sort=False):
        for name, clean in pairs.items():
            (right, images), (right_clean, images_clean) = (_count(own, dataset) for dataset in (name, clean))
            known = paper.get(lists.get(name)) if among.startswith("masked") and model == first else None
            ends = statistics.wilson(right, images, intervals["confidence"])
            change = statistics.newcombe((right, images), (right_clean, images_clean), intervals["confidence"])
            before = {"claim": f"accuracy on {name}", "images": images, "baseline": f"{clean}, {images_clean} images"}
            before["baseline_value"] = 100 * right_clean / images_clean
            about = f"{model}, {among} (%)"
            row = {"quantity": f"top-1 of {about}", "value": 100 * right / images, "paper": known}
            rows.append(before | row | {"low": 100 * ends[0], "high": 100 * ends[1]})
            row = {"quantity": f"change from clean of {about}", "value": rows[-1]["value"] - before["baseline_value"]}
            rows.append(before | row | {"low": 100 * change[0], "high": 100 * change[1]})
    return with_differences(pd.DataFrame(rows))


def published(claims: pd.DataFrame) -> dict[str, float]:
    """The paper's top-1 on ImageNet-R and -A, by the names of their lists of classes."""
    values = claims.set_index("claim")["value"]
    return {
        f"imagenet-{letter.lower()}": values[f"top-1 on ImageNet-{letter} with 200 classes (He et al.; percent)"]
        for letter in "RA"
    }


def _count(shift: pd.DataFrame, dataset: str) -> tuple[int, int]:
    """How many images are right, and how many there are."""
    correct = shift.loc[shift["dataset"] == dataset, "correct"]
    return int(correct.sum()), len(correct)


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
    spread = layers.norm_spread(norms)
    at_mask = norms.groupby("mask")["norm"]
    between_images = float((100 * at_mask.std() / at_mask.mean()).mean())
    between = float(pairs.loc[pairs["compared"] != "one image", "cosine"].mean())
    rows = [
        ("cosine of two masks of one image", cosines["cosine"], "two images of any class", between, np.nan),
        ("range of the norm over masks (%)", spread["range"], "", np.nan, _paper_range(claims)),
        ("deviation of the norm over masks (%)", spread["deviation"], "over images", between_images, np.nan),
    ]
    return pd.DataFrame(
        [
            {"claim": "mask invariance", "quantity": quantity}
            | _over_classes(values, spread["label"], intervals)
            | {"baseline": baseline, "baseline_value": baseline_value, "paper": paper}
            for quantity, values, baseline, baseline_value, paper in rows
        ]
    )


def _over_classes(values: pd.Series, labels: pd.Series, intervals: dict) -> dict[str, float]:
    """Mean over classes and its interval, of the images that have a value: embeddings of zeros have none."""
    known = values.notna()
    if not known.any():
        return {"value": np.nan, "low": np.nan, "high": np.nan, "images": 0}
    own = values[known].to_numpy(), labels[known].to_numpy()
    low, high = statistics.bootstrap(*own, **intervals)
    return {"value": statistics.class_mean(*own), "low": low, "high": high, "images": int(known.sum())}


def notes_on_masks(norms: pd.DataFrame) -> list[str]:
    """`NOTES_ON_MASKS`, and how many images lack a number.

    Parameters
    ----------
    norms : as for `mask_shifts`
    """
    zeros = norms[norms["norm"] == 0]
    if zeros.empty:
        return list(NOTES_ON_MASKS)
    images, first = len(zeros.drop_duplicates(["label", "image"])), zeros.iloc[0]["image"]
    return [
        *NOTES_ON_MASKS,
        f"{images} images (the first is {first}) have an embedding of zeros under a mask, {len(zeros)} in all: pairs "
        "with one of them have no cosine and are left out.",
    ]


def _paper_range(claims: pd.DataFrame | None) -> float:
    """The range of norms over 100 masks of one image that the paper reports, in percent of its middle."""
    if claims is None:
        return np.nan
    published = claims.set_index("claim")["value"]
    low, high = (published[f"{end} norm over 100 random masks (one image)"] for end in ("lowest", "highest"))
    return 100 * (high - low) / ((high + low) / 2)


def from_claims(claims: pd.DataFrame) -> pd.DataFrame:
    """The text's claims that were measured, as rows of this table.

    Parameters
    ----------
    claims : from `maescope.claims.table`
    """
    rows = claims[claims["measured"].notna()].rename(columns={"measured": "value", "claim": "quantity"})
    return with_differences(rows.assign(claim="the text: " + rows["where"]))


def with_differences(rows: pd.DataFrame, repeats_paper: bool = True) -> pd.DataFrame:
    """All columns, in order, with the difference from the paper where the study repeats it and it gives a value."""
    rows = rows.reindex(columns=COLUMNS)
    rows["paper"] = rows["paper"].astype(float)
    return rows.assign(difference=rows["value"] - rows["paper"] if repeats_paper else np.nan)


NOTES = [
    "masked: the prediction is the best of the dataset's own classes; full: of all outputs of the head. Intervals are "
    "Wilson's; of changes, which are between different images, Newcombe's; of the text's claims as in their own table.",
    "The paper's values are of its own model, images and pixels; the difference is taken where the study repeats it.",
]


def notes_on_doubts(shift: pd.DataFrame, pairs: dict[str, str], classes: dict[str, list[str]]) -> list[str]:
    """A loud note on each reason not to believe a model's answers to clean images, among all outputs.

    Parameters
    ----------
    classes : clean dataset -> names of the head's outputs
    """
    notes = []
    for clean in dict.fromkeys(pairs.values()):
        for among, own in shift[shift["dataset"] == clean].groupby("among", sort=False):
            if among.startswith("full"):
                named = own.assign(model=own["model"] + " on " + clean)
                notes += accuracies.notes_on_doubts(named, classes[clean], int(among.removeprefix("full")))
    return notes


def print_shifts(rows: pd.DataFrame) -> pd.DataFrame:
    """The table as text."""
    return pd.DataFrame(
        {
            "claim": rows["claim"],
            "quantity": rows["quantity"],
            "value": [_value(row) for _, row in rows.iterrows()],
            "baseline": [_baseline(row) for _, row in rows.iterrows()],
            "images": [_short(value) for value in rows["images"]],
            "paper": [_short(value) for value in rows["paper"]],
            "difference": [_short(value, sign=True) for value in rows["difference"]],
        }
    )


def _short(value: float, sign: bool = False) -> str:
    """Four digits, a dash where there is none."""
    return "–" if pd.isna(value) else f"{value:{'+' if sign else ''}.3g}"


def _value(row: pd.Series) -> str:
    """The value with its interval, where there is one."""
    return _short(row["value"]) + ("" if pd.isna(row["low"]) else f" [{_short(row['low'])}, {_short(row['high'])}]")


def _baseline(row: pd.Series) -> str:
    return "–" if pd.isna(row["baseline_value"]) else f"{_short(row['baseline_value'])} ({row['baseline']})"
