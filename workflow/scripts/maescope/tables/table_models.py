"""Which of two models is right more often, on the same images: paired differences and tests."""

from functools import partial
from itertools import combinations

import pandas as pd

from maescope.base import statistics
from maescope.tables import writing

KEYS, IMAGE = ["perturbation", "level"], ["label", "image"]


def paired(accuracy: pd.DataFrame, intervals: dict) -> pd.DataFrame:
    """One row for two models and a condition that both were measured under; differences are of the second's accuracy.

    p is McNemar's, exact, and the interval the one that goes with it (`statistics.paired`); p_holm is p for all rows
    together (Holm 1979): below 0.05 it would be once in twenty such tables, were the models equal in all of it.

    Parameters
    ----------
    accuracy : measure `accuracy` with columns `model` and `perturbation`; level 0, of occlusion, is the clean images
        again and left out

    Returns
    -------
    model_a, model_b, perturbation, level, accuracy_a, accuracy_b, difference (points), its ends, p_mcnemar, p_holm,
    images
    """
    accuracy = accuracy[accuracy["level"] != "0"]
    own = {model: part[[*KEYS, *IMAGE, "correct"]] for model, part in accuracy.groupby("model", sort=False)}
    rows = []
    for a, b in combinations(own, 2):
        both = own[a].merge(own[b], on=[*KEYS, *IMAGE], suffixes=("_a", "_b"), validate="one_to_one")
        for (perturbation, level), part in both.groupby(KEYS, sort=False):
            condition = {"model_a": a, "model_b": b, "perturbation": perturbation, "level": level}
            rows.append(condition | _row(part, intervals))
    table = pd.DataFrame(rows)
    return table.assign(p_holm=statistics.holm(table["p_mcnemar"].to_numpy()))


def _row(both: pd.DataFrame, intervals: dict) -> dict[str, float]:
    first, second = (both[name].to_numpy(bool) for name in ("correct_a", "correct_b"))
    difference = statistics.paired(first, second, intervals["confidence"])
    numbers = {"accuracy_a": first.mean(), "accuracy_b": second.mean(), "difference": difference.value}
    numbers |= {"difference_low": difference.low, "difference_high": difference.high}
    percent = {name: 100 * value for name, value in numbers.items()}
    return percent | {"p_mcnemar": difference.p, "images": len(both)}


def notes(accuracy: pd.DataFrame, intervals: dict) -> list[str]:
    """What a reader must know."""
    images = accuracy.drop_duplicates(["label", "image"])
    return [
        f"{len(images)} images of {images['label'].nunique()} classes. Difference: accuracy of the second model less "
        f"that of the first, in points, on the same images; in brackets its {100 * intervals['confidence']:g} % "
        f"interval, which excludes 0 where p is below {1 - intervals['confidence']:.2g} (Fay and Lumbard 2021).",
        "p: exact McNemar; together: adjusted for all rows of this table (Holm), so that one of them below 0.05 would "
        "be rare if no model were better anywhere.",
    ]


_COLUMNS: list[writing.Column] = [
    ("first", lambda r: r["model_a"]),
    ("second", lambda r: r["model_b"]),
    ("perturbation", lambda r: r["perturbation"]),
    ("level", lambda r: r["level"]),
    ("first (%)", lambda r: f"{r['accuracy_a']:.1f}"),
    ("second (%)", lambda r: f"{r['accuracy_b']:.1f}"),
    (
        "difference",
        partial(
            writing.interval, value="difference", low="difference_low", high="difference_high", digits=1, sign=True
        ),
    ),
    ("p", lambda r: f"{r['p_mcnemar']:.2g}"),
    ("together", lambda r: f"{r['p_holm']:.2g}"),
]


def printed(table: pd.DataFrame) -> pd.DataFrame:
    """The table as text."""
    return writing.as_text(table, _COLUMNS)
