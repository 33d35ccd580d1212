"""Accuracy under distribution shift (ImageNet-R and -A) and the text's numbers: one row a quantity."""

import pandas as pd

from maescope import stats

COLUMNS = ["model", "dataset", "quantity", "unit", "measured", "low", "high", "images", "paper", "difference"]


def shifted(
    shift: pd.DataFrame, pairs: dict[str, str], lists: dict[str, str], paper: dict[str, float], intervals: dict
) -> pd.DataFrame:
    """Top-1 of shifted datasets and of clean images of the same classes, among these classes and among all.

    The images of the two differ, so the interval of the change is Newcombe's of independent proportions.

    Parameters
    ----------
    shift : measure `shift` of all of them with columns `model` and `dataset`
    pairs : shifted dataset -> clean dataset of the same labels
    lists : shifted dataset -> imagenet-r or imagenet-a, where it has all of its classes
    paper : imagenet-r, imagenet-a -> published top-1 in percent among the 200 classes
    """
    rows = []
    for model, own in shift.groupby("model", sort=False):
        for name, clean in pairs.items():
            parts = {dataset: own[own["dataset"] == dataset] for dataset in (name, clean)}
            for among in parts[name]["among"].unique():
                right = {key: part.loc[part["among"] == among, "correct"] for key, part in parts.items()}
                counts = {key: (int(values.sum()), len(values)) for key, values in right.items()}
                for dataset, count in counts.items():
                    known = (
                        paper.get(lists.get(dataset if dataset == name else None))
                        if among.startswith("masked")
                        else None
                    )
                    row = {"model": model, "dataset": dataset, "quantity": f"top-1, {among}", "images": count[1]}
                    ends = stats.wilson(*count, intervals["confidence"])
                    rows.append(row | _percent(count[0] / count[1], ends) | {"paper": known})
                change = counts[name][0] / counts[name][1] - counts[clean][0] / counts[clean][1]
                ends = stats.newcombe(counts[name], counts[clean], intervals["confidence"])
                row = {"model": model, "dataset": name, "quantity": f"change from {clean}, {among}"}
                rows.append(row | {"images": counts[name][1]} | _percent(change, ends))
    return _complete(pd.DataFrame(rows))


def from_claims(claims: pd.DataFrame) -> pd.DataFrame:
    """The text's claims that were measured, as rows of the same table."""
    measured = claims[claims["measured"].notna()]
    names = {"claim": "quantity"}
    return _complete(measured.rename(columns=names))


def table(*parts: pd.DataFrame) -> pd.DataFrame:
    """All rows below each other."""
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=COLUMNS)


def _percent(share: float, ends: tuple[float, float]) -> dict[str, float | str]:
    return {"measured": 100 * share, "low": 100 * ends[0], "high": 100 * ends[1], "unit": "%"}


def _complete(rows: pd.DataFrame) -> pd.DataFrame:
    """All columns, with the difference from the paper where it gives a value."""
    rows = rows.reindex(columns=COLUMNS)
    rows["paper"] = rows["paper"].astype(float)
    return rows.assign(difference=rows["measured"] - rows["paper"])


NOTES = [
    "masked: the prediction is the best of the dataset's own classes; full: of all outputs of the head. Intervals are "
    "Wilson's; of changes, which are between different images, Newcombe's; of the text's claims as in their own table.",
    "The paper's values are of its own model and images; a difference says something only where the study repeats it.",
]


def print_shifts(rows: pd.DataFrame) -> pd.DataFrame:
    """The table as text."""
    printed = {
        "model": rows["model"],
        "images of": rows["dataset"],
        "quantity": rows["quantity"],
        "measured": [_value(row) for _, row in rows.iterrows()],
        "unit": rows["unit"],
        "images": [_count(value) for value in rows["images"]],
        "paper": [_short(value) for value in rows["paper"]],
        "difference": [_short(value, sign=True) for value in rows["difference"]],
    }
    return pd.DataFrame(printed).fillna("")


def _short(value: float, sign: bool = False) -> str:
    """Four digits, a dash where there is none."""
    return "–" if pd.isna(value) else f"{value:{'+' if sign else ''}.4g}"


def _count(value: float) -> str:
    return "–" if pd.isna(value) else str(int(value))


def _value(row: pd.Series) -> str:
    """The measured value with its interval, where there is one."""
    if pd.isna(row["measured"]) or pd.isna(row["low"]):
        return _short(row["measured"])
    return f"{_short(row['measured'])} [{_short(row['low'])}, {_short(row['high'])}]"
