"""From tidy measures to the paper's tables: one function a table, numbers in, numbers out, and how they are printed."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from html import escape

import numpy as np
import pandas as pd

from maescope import provenance, stats, tidy
from maescope.atomic import replacing
from maescope.chance import near_chance


def accuracies(accuracy: pd.DataFrame, by: Sequence[str], intervals: dict) -> pd.DataFrame:
    """Top-1 accuracy and its change from clean, paired by image, of each condition; in percent and points.

    The interval of an accuracy is Wilson's, which is not empty where a model is all right, all wrong, or right on some
    classes only; those of `bootstrap` and of the change resample images within classes.

    Parameters
    ----------
    accuracy : rows of the measure `accuracy` with `by` among its columns; level `clean` once for each model
    by : columns that tell the conditions apart, `model` and `level` among them
    intervals : resamples, confidence and seed
    """
    images = ["model", "label", "image"]
    clean = accuracy.loc[accuracy["level"] == "clean", [*images, "correct"]].rename(columns={"correct": "clean"})
    rows = []
    for key, part in accuracy.merge(clean, on=images, validate="many_to_one").groupby(list(by), sort=False):
        correct, before, labels = part["correct"].to_numpy(bool), part["clean"].to_numpy(bool), part["label"].to_numpy()
        change = correct.astype(float) - before
        numbers = {
            "accuracy": correct.mean(),
            **_ends("accuracy", stats.wilson(correct.sum(), len(correct), intervals["confidence"])),
            **_ends("bootstrap", stats.bootstrap(correct, labels, **intervals, balanced=False)),
            "change": change.mean(),
            **_ends("change", stats.bootstrap(change, labels, **intervals, balanced=False)),
        }
        row = dict(zip(by, key, strict=True)) | {name: 100 * value for name, value in numbers.items()}
        rows.append(row | {"p_mcnemar": stats.mcnemar(correct, before), "images": len(part)})
    return pd.DataFrame(rows)


def _ends(name: str, interval: tuple[float, float]) -> dict[str, float]:
    return {f"{name}_low": interval[0], f"{name}_high": interval[1]}


def occlusion_curves(accuracy: pd.DataFrame, intervals: dict) -> pd.DataFrame:
    """Figure 5: accuracy by percentage of occluded patches, and the area under each curve as a mean accuracy.

    Parameters
    ----------
    accuracy : measure `accuracy` with columns `model` and `perturbation`; levels are percentages, 0 among them
    """
    rows = []
    for (model, perturbation, level), part in accuracy.groupby(["model", "perturbation", "level"], sort=False):
        correct = part["correct"].to_numpy(bool)
        low, high = stats.wilson(correct.sum(), len(correct), intervals["confidence"])
        row = {"model": model, "perturbation": perturbation, "percent": int(level), "images": len(part)}
        rows.append(row | dict(accuracy=100 * correct.mean(), accuracy_low=100 * low, accuracy_high=100 * high))
    curves = pd.DataFrame(rows).sort_values(["model", "perturbation", "percent"], ignore_index=True, key=_first_seen)
    areas = {
        key: np.trapezoid(curve["accuracy"], curve["percent"]) / np.ptp(curve["percent"]) if len(curve) > 1 else np.nan
        for key, curve in curves.groupby(["model", "perturbation"])
    }
    return curves.assign(area=[areas[key] for key in zip(curves["model"], curves["perturbation"], strict=True)])


def _first_seen(column: pd.Series) -> pd.Series:
    """Sort names in the order in which they come, numbers by size."""
    return column if column.dtype.kind in "iuf" else pd.Series(pd.factorize(column)[0], column.index)


def table_1(
    accuracy: pd.DataFrame,
    quality: pd.DataFrame,
    filters: dict,
    same_crop: Sequence[str],
    intervals: dict,
    paper: pd.DataFrame | None,
) -> pd.DataFrame:
    """Table I: accuracy, PSNR and SSIM by level of blur, with the order by measured PSNR.

    Parameters
    ----------
    accuracy : measure `accuracy` of clean and blurred images with column `model`
    quality : measure `quality` of the blurred images
    filters : level -> kernel, sigma
    same_crop : models that see the very pixels that `quality` was measured on
    paper : the published table (level, accuracy, psnr_db, ssim), or None
    """
    table = accuracies(accuracy, ["model", "level"], intervals)
    means = quality.groupby("level", sort=False)[["psnr_db", "ssim"]].mean()
    means["order_by_psnr"] = means["psnr_db"].rank(ascending=False, method="min").astype(int)
    means.insert(0, "sigma", [filters[level]["sigma"] for level in means.index])
    means.insert(0, "kernel", [filters[level]["kernel"] for level in means.index])
    table = table.merge(means.reset_index(), how="left", on="level")
    table.loc[~table["model"].isin(same_crop), ["psnr_db", "ssim", "order_by_psnr"]] = np.nan
    for column in ("kernel", "order_by_psnr"):
        table[column] = table[column].astype("Int64")
    if paper is not None:
        table = _beside_paper(table, paper, ["level", "kernel", "sigma"], ["accuracy", "psnr_db", "ssim"])
    return table


def table_3(
    alignment: pd.DataFrame, accuracy: pd.DataFrame, intervals: dict, paper: pd.DataFrame | None
) -> pd.DataFrame:
    """Table III: cosine of clean and perturbed mean-patch embeddings at the last layer, by level.

    Parameters
    ----------
    alignment : measure `alignment` with columns `model` and `perturbation`
    accuracy : measure `accuracy` of the same conditions and of the clean images, with the same columns
    paper : the published table (perturbation, level, mean_cosine), or None
    """
    by = ["model", "perturbation", "level"]
    last = alignment[alignment["layer"] == alignment.groupby("model")["layer"].transform("max")]
    rows = []
    for key, part in last.groupby(by, sort=False):
        right = part["correct"].to_numpy(bool)
        cosines = {"": part, "_correct": part[right], "_misclassified": part[~right]}
        row = dict(zip(by, key, strict=True))
        for suffix, images in cosines.items():
            row |= _mean_cosine(images, suffix, intervals)
        drift = (part["norm_clean"] - part["norm_perturbed"]).abs()
        rows.append(row | {"norm_difference": stats.class_mean(drift.to_numpy(), part["label"].to_numpy())})
    tops = accuracies(accuracy, by, intervals)[[*by, "accuracy", "accuracy_low", "accuracy_high"]]
    table = pd.DataFrame(rows).merge(tops, on=by)
    if paper is not None:
        table = _beside_paper(table, paper, ["perturbation", "level"], ["mean_cosine"])
    return table


def _mean_cosine(images: pd.DataFrame, suffix: str, intervals: dict) -> dict[str, float]:
    """Mean over classes of the mean cosine, its interval, and of how many images; NaN where there are none."""
    names = [f"mean_cosine{suffix}", f"cosine_low{suffix}", f"cosine_high{suffix}"]
    values, labels = images["cosine"].to_numpy(), images["label"].to_numpy()
    numbers = [np.nan] * 3
    if len(images):
        numbers = [stats.class_mean(values, labels), *stats.bootstrap(values, labels, **intervals)]
    return dict(zip(names, numbers, strict=True)) | {f"images{suffix}": len(images)}


def _beside_paper(table: pd.DataFrame, paper: pd.DataFrame, keys: list[str], values: list[str]) -> pd.DataFrame:
    """Set the paper's values and the differences from them behind those of the first model, the paper's."""
    published = paper[[*keys, *values]].rename(columns={value: f"{value}_paper" for value in values})
    table = table.merge(published, how="left", on=keys)
    table.loc[table["model"] != table["model"].iloc[0], [f"{value}_paper" for value in values]] = np.nan
    for value in values:
        table[f"{value}_difference"] = table[value] - table[f"{value}_paper"]
    return table


NOTES_1 = [
    "Kernel and sigma in pixels of the model's input; change in points and p (exact McNemar) against the clean images.",
    "PSNR: data range 1, mean over images of the PSNR of each.",
    "SSIM: Wang et al. 2004, Gaussian window 11 x 11, sigma 1.5, K1 0.01, K2 0.03, population covariance, mean over "
    "RGB and over positions where the whole window is inside, data range 1; mean over images.",
    "A dash for a model that sees other crops than the first, on which PSNR and SSIM are measured.",
    "Order by PSNR: 1 is the level that, as measured, changes the images least; the paper's order need not be it.",
]
NOTES_3 = [
    "Cosine of the mean patch token of the clean and of the perturbed image at the last encoder layer, before any "
    "final norm; mean over the images of a class, then over classes.",
    "Correct and misclassified: the same over the perturbed images that the model gets right and over those it gets "
    "wrong, their number in parentheses; the norm difference is the mean of | norm clean - norm perturbed |.",
]

NOTES_SHIFTS = [
    "Mask invariance: embeddings are the mean patch token at the last encoder layer, before any final norm; mean over "
    "the images of a class, then over classes; intervals bootstrap over images. The baseline is the same between "
    "images; for the deviation of the norm, over images under one mask each.",
    "The paper: norms from 92.4 to 95.4 over 100 masks of one image, a range of 3.2 %.",
]


def notes_on_chance(accuracy: pd.DataFrame, classes: int) -> list[str]:
    """A loud note on each model whose clean accuracy could be guessing."""
    return [
        f"CLEAN ACCURACY NEAR CHANCE: {model}, {100 * share:.1f} % among {classes} classes; most often the labels are "
        "in another order than the outputs of the head. Nothing in this table means anything then."
        for model, share in guessing(accuracy[accuracy["level"] == "clean"], classes).items()
    ]


def guessing(clean: pd.DataFrame, classes: int) -> dict[str, float]:
    """Accuracy, in [0, 1], of the models that could be guessing, by their answers to clean images."""
    by_model = clean.groupby("model", sort=False)["correct"]
    return {model: correct.mean() for model, correct in by_model if near_chance(correct, classes)}


def notes_on_accuracy(accuracy: pd.DataFrame, count: int | None, intervals: dict) -> list[str]:
    """What a reader must know of the sample and the intervals."""
    sizes = accuracy.drop_duplicates(["label", "image"]).groupby("label", sort=False).size()
    notes = [
        f"{sizes.sum()} images of {len(sizes)} classes; {100 * intervals['confidence']:g} % intervals in brackets: "
        f"Wilson's for accuracies; for cosines and changes bootstrap over images within classes, "
        f"{intervals['resamples']} resamples, of no width where the images of each class agree."
    ]
    fewer = sizes[sizes < count] if count else sizes[:0]
    if len(fewer):
        listed = ", ".join(f"{label} {size}" for label, size in fewer.items())
        notes.append(f"Fewer than the {count} images asked for: {listed}.")
    return notes


def _number(value: float, digits: int, sign: bool = False) -> str:
    """A number as it is printed, a dash where there is none."""
    return "–" if pd.isna(value) else f"{value:{'+' if sign else ''}.{digits}f}"


def interval(row: pd.Series, value: str, low: str, high: str, digits: int, sign: bool = False) -> str:
    if pd.isna(row[value]):
        return "–"
    return f"{_number(row[value], digits, sign)} [{_number(row[low], digits)}, {_number(row[high], digits)}]"


def _change(row: pd.Series) -> str:
    return interval(row, "change", "change_low", "change_high", 1, sign=True)


Column = tuple[str, Callable[[pd.Series], str]]

_TABLE_1: list[Column] = [
    ("model", lambda r: r["model"]),
    ("level", lambda r: r["level"]),
    ("kernel", lambda r: _number(r["kernel"], 0)),
    ("sigma", lambda r: _number(r["sigma"], 1)),
    ("accuracy (%)", partial(interval, value="accuracy", low="accuracy_low", high="accuracy_high", digits=1)),
    ("change", lambda r: "–" if r["level"] == "clean" else _change(r)),
    ("p", lambda r: "–" if r["level"] == "clean" else f"{r['p_mcnemar']:.2g}"),
    ("PSNR (dB)", lambda r: _number(r["psnr_db"], 2)),
    ("SSIM", lambda r: _number(r["ssim"], 3)),
    ("order by PSNR", lambda r: _number(r["order_by_psnr"], 0)),
]
_TABLE_1_PAPER: list[Column] = [
    ("paper's accuracy", lambda r: _number(r["accuracy_paper"], 1)),
    ("difference", lambda r: _number(r["accuracy_difference"], 1, sign=True)),
    ("paper's PSNR", lambda r: _number(r["psnr_db_paper"], 2)),
    ("paper's SSIM", lambda r: _number(r["ssim_paper"], 3)),
]
_TABLE_3: list[Column] = [
    ("model", lambda r: r["model"]),
    ("perturbation", lambda r: r["perturbation"]),
    ("level", lambda r: r["level"]),
    ("cosine", partial(interval, value="mean_cosine", low="cosine_low", high="cosine_high", digits=3)),
    ("correct", lambda r: f"{_number(r['mean_cosine_correct'], 3)} ({r['images_correct']})"),
    ("misclassified", lambda r: f"{_number(r['mean_cosine_misclassified'], 3)} ({r['images_misclassified']})"),
    ("norm difference", lambda r: _number(r["norm_difference"], 2)),
    ("accuracy (%)", partial(interval, value="accuracy", low="accuracy_low", high="accuracy_high", digits=1)),
]
_TABLE_3_PAPER: list[Column] = [
    ("paper's cosine", lambda r: _number(r["mean_cosine_paper"], 3)),
    ("difference", lambda r: _number(r["mean_cosine_difference"], 3, sign=True)),
]


def print_table_1(table: pd.DataFrame) -> pd.DataFrame:
    """Table I as text."""
    return as_text(table, _TABLE_1 + (_TABLE_1_PAPER if "accuracy_paper" in table else []))


def print_table_3(table: pd.DataFrame) -> pd.DataFrame:
    """Table III as text."""
    return as_text(table, _TABLE_3 + (_TABLE_3_PAPER if "mean_cosine_paper" in table else []))


def as_text(table: pd.DataFrame, columns: list[Column]) -> pd.DataFrame:
    return pd.DataFrame({name: [text(row) for _, row in table.iterrows()] for name, text in columns})


def write_table(table: pd.DataFrame, printed: pd.DataFrame, title: str, notes: Sequence[str], outputs) -> None:
    """Write a table as CSV (all numbers), LaTeX (booktabs), Markdown and HTML (as printed, with notes).

    Parameters
    ----------
    outputs : has the paths `csv`, `tex`, `md`, `html`
    """
    tidy.write(table, outputs.csv)
    texts = {
        outputs.tex: _latex(printed, title, notes) + _comment("%", ""),
        outputs.md: f"**{title}**\n\n{_markdown(printed)}\n\n"
        + "".join(f"- {_plain(note)}\n" for note in notes)
        + _comment("\n<!--", " -->"),
        outputs.html: _html(printed, title, notes) + _comment("<!--", " -->"),
    }
    for path, text in texts.items():
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _markdown(printed: pd.DataFrame) -> str:
    def line(cells) -> str:
        return "| " + " | ".join(_plain(str(cell)) for cell in cells) + " |"

    return "\n".join([line(printed.columns), line(["---"] * printed.shape[1]), *map(line, printed.to_numpy())])


_ENTITY = re.compile(r"&(?=#?\w+;)")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_MARKS = re.compile(r"[\\`*|~$]|\](?=\()|(?<!\w)_|_(?!\w)|!(?=\[)")


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, names of classes among it."""
    return _MARKS.sub(r"\\\g<0>", _TAG.sub("&lt;", _ENTITY.sub("&amp;", text)))


_LATEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "±": r"$\pm$"}
)


def _comment(opening: str, closing: str) -> str:
    """What made a table, as a comment of its format; nothing outside of a job."""
    stamp = provenance.stamp().replace("--", "-\\u002d")  # the same in JSON, and no end of a comment of HTML
    return f"{opening} {stamp}{closing}\n" if stamp else ""


def _latex(printed: pd.DataFrame, title: str, notes: Sequence[str]) -> str:
    def line(cells) -> str:
        return " & ".join(str(cell).translate(_LATEX) for cell in cells) + r" \\"

    return "\n".join(
        [
            r"% needs \usepackage{booktabs}",
            r"\begin{table}\centering\small",
            rf"\caption{{{title.translate(_LATEX)}}}",
            rf"\begin{{tabular}}{{{'l' * printed.shape[1]}}}",
            r"\toprule",
            line(printed.columns),
            r"\midrule",
            *map(line, printed.to_numpy()),
            r"\bottomrule",
            r"\end{tabular}",
            *(rf"\par\footnotesize {note.translate(_LATEX)}" for note in notes),
            r"\end{table}",
            "",
        ]
    )


STYLE = (
    "body{font:15px/1.4 system-ui,sans-serif;margin:2em;color:#222;background:#fff}"
    "table{border-collapse:collapse;border-top:2px solid;border-bottom:2px solid}"
    "th{border-bottom:1px solid;text-align:left}th,td{padding:.25em .8em;font-variant-numeric:tabular-nums}"
    "tr:hover td{background:#f2f2f2}li{max-width:60em}"
)


def _html(printed: pd.DataFrame, title: str, notes: Sequence[str]) -> str:
    rows = ["".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in printed.to_numpy()]
    head = "".join(f"<th>{escape(str(name))}</th>" for name in printed.columns)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
        f"<h1>{escape(title)}</h1><table><thead><tr>{head}</tr></thead><tbody>"
        + "".join(f"<tr>{row}</tr>" for row in rows)
        + "</tbody></table><ul>"
        + "".join(f"<li>{escape(note)}</li>" for note in notes)
        + "</ul></html>\n"
    )
