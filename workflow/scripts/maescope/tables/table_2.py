"""Table II: accuracy under corruptions, five severities each, and what may be said over all of them."""

import numpy as np
import pandas as pd

from maescope.base import statistics
from maescope.base.corruption_names import CORRUPTIONS, GROUPS
from maescope.tables import accuracies

SEVERITIES = ("1", "2", "3", "4", "5")
GROUP_OF = {name: group for group, names in GROUPS.items() for name in names}

# Top-1 error of AlexNet, mean over the five severities, by which ImageNet-C's mCE is normalised (Hendrycks and
# Dietterich 2019, the numbers of their code).
ALEXNET = {
    "gaussian_noise": 0.886428,
    "shot_noise": 0.894468,
    "impulse_noise": 0.922640,
    "defocus_blur": 0.819880,
    "glass_blur": 0.826268,
    "motion_blur": 0.785948,
    "zoom_blur": 0.798360,
    "snow": 0.866816,
    "frost": 0.826572,
    "fog": 0.819324,
    "brightness": 0.564592,
    "contrast": 0.853204,
    "elastic_transform": 0.646056,
    "pixelate": 0.717840,
    "jpeg_compression": 0.606500,
}


def table(
    accuracy: pd.DataFrame,
    sources: dict[str, dict],
    intervals: dict,
    paper: pd.DataFrame | None,
    first: str,
    imagenet: bool,
) -> pd.DataFrame:
    """Table II, tidy: a row for each condition, and the means over severities, over corruptions and over all.

    A condition that was not measured is a row without numbers, and so is every mean that it would be part of.

    Parameters
    ----------
    accuracy : measure `accuracy` of clean and corrupted images with columns `model` and `perturbation`
    sources : perturbation -> corruption and source ("generated", "files", ...), all that the table is to have
    paper : the published table (severity and a column for each corruption), or None
    first : the model that is set beside it
    imagenet : whether the classes are all 1000 of ImageNet, which mCE and mean error are defined on
    """
    measured = accuracies.with_intervals(accuracy, ["model", "perturbation", "level"], intervals)
    asked = [("clean", "clean"), *((name, severity) for name in sources for severity in SEVERITIES)]
    parts = []
    for model, own in accuracy.groupby("model", sort=False):
        conditions = pd.DataFrame(asked, columns=["perturbation", "level"]).assign(model=model)
        parts += [conditions.merge(measured, how="left"), _means(own, sources, intervals).assign(model=model)]
        if imagenet:
            parts.append(errors(own, sources, intervals).assign(model=model))
    table = pd.concat(parts, ignore_index=True)
    table["images"] = table["images"].fillna(0).astype(int)
    for column in ("corruption", "source"):
        table[column] = table["perturbation"].map({name: source[column] for name, source in sources.items()})
    table["group"] = table["corruption"].map(GROUP_OF)
    if paper is not None:
        table = _beside_paper(table, paper, first)
    leading = ["model", "group", "perturbation", "corruption", "source", "level"]
    return table[[*leading, *table.columns.drop(leading)]]


def _means(accuracy: pd.DataFrame, sources: dict, intervals: dict) -> pd.DataFrame:
    """Means over the severities of a corruption, over the corruptions of a severity, and over all; by bootstrap."""
    names = list(sources)
    cells = {(name, "mean"): [(name, severity) for severity in SEVERITIES] for name in names}
    cells |= {("mean", severity): [(name, severity) for name in names] for severity in SEVERITIES}
    cells["mean", "mean"] = [(name, severity) for name in names for severity in SEVERITIES]
    right = _by_image(accuracy)
    clean, labels = right["clean", "clean"].to_numpy(float), right.index.get_level_values("label")
    rows = []
    for (name, level), conditions in cells.items():
        row = {"perturbation": name, "level": level}
        if set(conditions) <= set(right.columns):
            share = right[conditions].to_numpy(float).mean(axis=1)
            change = share - clean
            ends = statistics.bootstrap(share, labels, **intervals, balanced=False)
            moved = statistics.bootstrap(change, labels, **intervals, balanced=False)
            numbers = {"accuracy": share.mean(), "accuracy_low": ends[0], "accuracy_high": ends[1]}
            numbers |= {"bootstrap_low": ends[0], "bootstrap_high": ends[1]}
            numbers |= {"change": change.mean(), "change_low": moved[0], "change_high": moved[1]}
            row |= {key: 100 * value for key, value in numbers.items()} | {"images": len(right)}
        rows.append(row)
    return pd.DataFrame(rows)


def _by_image(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Right or wrong: one row per image (label, image), one column per condition (perturbation, level)."""
    return accuracy.pivot(index=["label", "image"], columns=["perturbation", "level"], values="correct")


def errors(accuracy: pd.DataFrame, sources: dict, intervals: dict) -> pd.DataFrame:
    """Mean error and mCE in percent, where all 75 conditions are there: means over images of weighted errors."""
    names = {source["corruption"]: name for name, source in sources.items()}
    right = _by_image(accuracy)
    conditions = [(names.get(corruption), severity) for corruption in CORRUPTIONS for severity in SEVERITIES]
    rows = [{"perturbation": name, "level": "mean"} for name in ("mean error", "mCE")]
    files = all(source["source"] == "files" for source in sources.values())  # mCE is of ImageNet-C's own pictures
    if files and len(sources) == len(CORRUPTIONS) and set(conditions) <= set(right.columns):
        wrong = 1 - right[conditions].to_numpy(float)  # (images, 75)
        alexnet = np.repeat([ALEXNET[corruption] for corruption in CORRUPTIONS], len(SEVERITIES))
        for row, weights in zip(rows, (np.ones_like(alexnet), 1 / alexnet), strict=True):
            error = (wrong * weights).mean(axis=1)
            low, high = statistics.bootstrap(error, right.index.get_level_values("label"), **intervals, balanced=False)
            row |= {"accuracy": 100 * error.mean(), "accuracy_low": 100 * low, "accuracy_high": 100 * high}
            row |= {"bootstrap_low": 100 * low, "bootstrap_high": 100 * high, "images": len(right)}
    return pd.DataFrame(rows)


def _beside_paper(table: pd.DataFrame, paper: pd.DataFrame, first: str) -> pd.DataFrame:
    """The paper's values, with their means over just the corruptions that the table has, and the differences."""
    corruptions = table["corruption"].dropna().unique()
    values = paper.astype({"severity": str}).set_index("severity").reindex(columns=corruptions)
    values["mean"] = values.mean(axis=1)
    values.loc["mean"] = values.mean(axis=0)
    name = table["corruption"].where(table["corruption"].notna(), table["perturbation"])
    table["accuracy_paper"] = [
        values.loc[level, column] if column in values and level in values.index else np.nan
        for column, level in zip(name, table["level"], strict=True)
    ]
    table.loc[table["model"] != first, "accuracy_paper"] = np.nan
    table["accuracy_difference"] = table["accuracy"] - table["accuracy_paper"]
    return table


def notes(table: pd.DataFrame, sources: dict[str, dict], small: bool, confidence: float) -> list[str]:
    """What a reader must know of the corruptions, of what is missing, and of the means.

    Parameters
    ----------
    small : whether the 32 px parameters were used where corruptions were generated
    confidence : of the intervals
    """
    lines = []
    generated = [source for source in sources.values() if source["source"].startswith("generated")]
    if generated:
        size = "32 px (CIFAR-C)" if small else "224 px (ImageNet-C)"
        lines.append(
            f"Generated: {len(generated)} of {len(sources)} corruptions were made here from the clean images with the "
            f"published parameters for {size}; these are no ImageNet-C results."
        )
    if any("synthetic" in source["source"] for source in generated):
        lines.append("Frost, generated, overlays a synthetic texture and not the photographs of the original.")
    conditions = table[table["corruption"].notna() & (table["level"] != "mean")]
    missing = conditions[conditions["accuracy"].isna()].drop_duplicates(["perturbation", "level"])
    if len(missing):
        by_name = missing.groupby("perturbation", sort=False)["level"].agg(", ".join)
        listed = "; ".join(f"{name} (severity {levels})" for name, levels in by_name.items())
        lines.append(f"A dash: not on disk, so not measured, and no mean runs over the rest: {listed}.")
    over = "all fifteen corruptions" if _all_fifteen(sources) else f"the {len(sources)} corruptions of this table only"
    lines.append(
        f"Means: over {over}, equally; their intervals are by bootstrap over images within classes, an image keeping "
        "all its conditions. =: not distinguishable from clean on the same images (exact McNemar's p of "
        f"{1 - confidence:.2g} or more)."
    )
    if "mCE" in set(table["perturbation"]):
        lines.append(
            "Mean error and mCE: in percent, over all 1000 classes and 75 conditions; mCE is the mean over corruptions "
            "of the error relative to AlexNet's (Hendrycks and Dietterich 2019), mean error the plain mean."
        )
    else:
        lines.append("No mCE and no mean corruption error: they are defined on all 1000 classes of ImageNet.")
    return lines


def _all_fifteen(sources: dict[str, dict]) -> bool:
    return sorted(source["corruption"] for source in sources.values()) == sorted(CORRUPTIONS)


def printed(table: pd.DataFrame) -> pd.DataFrame:
    """Table II as text: a row for each corruption, in the groups of the paper, a column for each severity."""
    columns = (*SEVERITIES, "mean")
    rows = []
    for (model, name), part in table.groupby(["model", "perturbation"], sort=False):
        cells = part.set_index("level")
        head = {"model": model, "group": _text(part["group"].iloc[0])}
        head |= {"corruption": name.replace("_", " ")}
        levels = ("mean",) if name in ("clean", "mCE", "mean error") else columns
        cells = cells.rename(index={"clean": "mean"})
        printed = {level: _cell(cells.loc[level]) if level in levels else "" for level in columns}
        rows.append(head | printed | {"images from": _text(part["source"].iloc[0])})
        if "accuracy_paper" in part and part["accuracy_paper"].notna().any():
            beside = {level: _paper_cell(cells.loc[level]) for level in columns}
            words = f"{head['corruption']}: paper (difference)"
            rows.append(head | {"corruption": words} | beside | {"images from": ""})
    return pd.DataFrame(rows)


def _text(value) -> str:
    return "" if pd.isna(value) else str(value)


def _cell(row: pd.Series) -> str:
    """Accuracy with its interval, = where it does not differ from clean."""
    if pd.isna(row["accuracy"]):
        return "–"
    alike = pd.notna(row["p_mcnemar"]) and row["change_low"] <= 0 <= row["change_high"]
    same = "=" if alike and row["perturbation"] != "clean" else ""
    return f"{row['accuracy']:.1f}{same} [{row['accuracy_low']:.1f}, {row['accuracy_high']:.1f}]"


def _paper_cell(row: pd.Series) -> str:
    if pd.isna(row["accuracy_paper"]):
        return "–"
    difference = "–" if pd.isna(row["accuracy_difference"]) else f"{row['accuracy_difference']:+.1f}"
    return f"{row['accuracy_paper']:.1f} ({difference})"
