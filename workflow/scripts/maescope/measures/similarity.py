"""How alike two representations of the same images are by measures other than CKA, each beside what chance gives."""

import numpy as np
import pandas as pd

from maescope.measures import cka
from maescope.measures.embeddings import collapsed

K = 10  # nearest neighbours of mutual k-NN
MOST = 4000  # images that are compared: neighbours cost their square


def neighbours(features: np.ndarray, k: int) -> np.ndarray:
    """The k nearest other images of each by cosine: (n, D) -> (n, n) bool."""
    units = features.astype(np.float64)
    units = units / np.maximum(np.linalg.norm(units, axis=1, keepdims=True), 1e-12)
    likeness = units @ units.T
    np.fill_diagonal(likeness, -np.inf)
    near = np.zeros(likeness.shape, bool)
    np.put_along_axis(near, np.argpartition(-likeness, k - 1, axis=1)[:, :k], True, axis=1)
    return near


def mutual_knn(a: np.ndarray, b: np.ndarray) -> float:
    """Share of the nearest neighbours that both have, mean over images (Huh et al. 2024); k / (n - 1) by chance.

    Parameters
    ----------
    a, b : `neighbours` of the same images
    """
    return float((a & b).sum() / a.sum())


def procrustes(a: cka.Features, b: cka.Features) -> float:
    """Sum of the singular values of A^T B, centred and of norm 1: 1 is equal up to rotation and one scale.

    The squared distance after the best rotation is 2 minus twice it (Ding et al. 2021); widths may differ.
    """
    return float(np.linalg.svd(a.values.T @ b.values, compute_uv=False).sum())


def compare(a: np.ndarray, b: np.ndarray, order: np.ndarray) -> dict[str, float]:
    """All measures of two representations (n, D) of the same images, and each when b is in a random order.

    Returns
    -------
    cka, mutual_knn, procrustes, and each with `chance_` before it; NaN where either says the same of all images
    """
    names = ("cka", "mutual_knn", "procrustes")
    if collapsed(a) or collapsed(b):
        return dict.fromkeys([*names, *(f"chance_{name}" for name in names)], np.nan)
    k = min(K, len(a) - 2)  # all but one of few
    first, second, shuffled = cka.prepare(a), cka.prepare(b), cka.prepare(b[order])
    near, others = neighbours(a, k), neighbours(b, k)
    return {
        "cka": cka.cka(first, second)[0],
        "mutual_knn": mutual_knn(near, others),
        "procrustes": procrustes(first, second),
        "chance_cka": cka.cka(first, shuffled)[0],
        "chance_mutual_knn": k / (len(a) - 1),
        "chance_procrustes": procrustes(first, shuffled),
    }


def deeper(layer: int, layers: int, others: int) -> int:
    """The layer of a model of `others` layers that is as deep as one of `layers`, 1-based; the last of the last."""
    return max(1, round(layer * others / layers))


def conclusions(measured: pd.DataFrame, finetuned: list[str]) -> pd.DataFrame:
    """What is read from similarities, as differences whose sign says so: conclusion, measure, difference, chance.

    Parameters
    ----------
    measured : model, other, perturbation, level, layer, and what `compare` gives; levels in their order
    finetuned : the models that are compared with themselves when perturbed
    """
    last = measured[measured["layer"] == measured.groupby("model")["layer"].transform("max")]
    pairs = []
    for model in finetuned:
        own = measured[(measured["model"] == model) & (measured["perturbation"] != "clean")]
        ends = [part[part["level"] == part["level"].iloc[-1]] for _, part in own.groupby("perturbation", sort=False)]
        named = {f"{part['perturbation'].iloc[0]} {part['level'].iloc[0]}": part for part in ends}
        for (a, one), (b, other) in zip(list(named.items())[:-1], list(named.items())[1:], strict=True):
            words = f"at the last layer {model} is more like its clean self under {a} than under {b}"
            pairs.append((words, one.iloc[-1], other.iloc[-1]))
        for name, part in named.items() if own["layer"].nunique() > 1 else ():
            words = f"under {name} the first layer of {model} is more like its clean self than the last"
            pairs.append((words, part.iloc[0], part.iloc[-1]))
    clean = last[last["perturbation"] == "clean"]
    for model in dict.fromkeys([*clean["model"], *clean["other"]]):
        of = {
            row["other" if row["model"] == model else "model"]: row
            for _, row in clean.iterrows()
            if model in (row["model"], row["other"])
        }
        for (a, one), (b, other) in zip(list(of.items())[:-1], list(of.items())[1:], strict=True):
            pairs.append((f"at the last layer {model} is more like {a} than like {b}", one, other))
    rows = [
        {"conclusion": words, "measure": name, "difference": one[name] - other[name], "a": one[name], "b": other[name]}
        | {"chance": max(one[f"chance_{name}"], other[f"chance_{name}"])}
        for words, one, other in pairs
        for name in ("cka", "mutual_knn", "procrustes")
    ]
    return pd.DataFrame(rows, columns=["conclusion", "measure", "difference", "a", "b", "chance"])
