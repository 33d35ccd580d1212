"""How alike two representations of the same images are by measures other than CKA, each beside what chance gives."""

import numpy as np
import pandas as pd

from maescope.base import statistics
from maescope.measures import cka
from maescope.measures.embeddings import collapsed

K = 10  # nearest neighbours of mutual k-NN
MOST = 4000  # images that are compared: neighbours cost their square
GROUPS = 20  # of images that are left out in turn, at most
NAMES = ("cka", "mutual_knn", "procrustes")
WHICH = ["model", "other", "perturbation", "level", "layer"]


def ranked(features: np.ndarray, count: int) -> np.ndarray:
    """The other images of each, the nearest by cosine first, so many: (n, D) -> (n, count)."""
    units = features.astype(np.float64)
    units = units / np.maximum(np.linalg.norm(units, axis=1, keepdims=True), 1e-12)
    distance = -(units @ units.T)
    np.fill_diagonal(distance, np.inf)
    near = np.argpartition(distance, count - 1, axis=1)[:, :count]
    order = np.argsort(np.take_along_axis(distance, near, axis=1), axis=1, kind="stable")
    return np.take_along_axis(near, order, axis=1)


def neighbours(near: np.ndarray, k: int, kept: np.ndarray) -> np.ndarray:
    """The k nearest of each image among those kept, and none of others: (n, n) bool.

    Parameters
    ----------
    near : of `ranked`, so many that k are kept
    kept : (n,) bool
    """
    there = kept[near]
    there &= np.cumsum(there, axis=1) <= k
    found = np.zeros((len(near), len(near)), bool)
    np.put_along_axis(found, near, there, axis=1)
    return found & kept[:, None]


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


def compare(a: np.ndarray, b: np.ndarray, order: np.ndarray, labels: np.ndarray | None = None) -> pd.DataFrame:
    """All measures of two representations (n, D) of the same images, each when b is in a random order, and with parts.

    Parameters
    ----------
    order : a random one of the images
    labels : (n,) their classes, where values without a part of the images are wanted, of which intervals are made

    Returns
    -------
    left_out, cka, mutual_knn, procrustes, and each with `chance_` before it: a row of all images, and one without each
    group and without chance; NaN where either side says the same of all images
    """
    n, chances = len(a), [f"chance_{name}" for name in NAMES]
    out = groups(labels, order) if labels is not None and n >= 8 else np.zeros(n, int)
    if collapsed(a) or collapsed(b):
        return pd.DataFrame([{"left_out": pd.NA, **dict.fromkeys([*NAMES, *chances], np.nan)}])
    k, every = min(K, n - 2), np.ones(n, bool)  # all but one of few
    most = min(n - 1, k + np.bincount(out).max() * bool(out.any()))
    near, others = ranked(a, most), ranked(b, most)
    rows = [{"left_out": pd.NA, **_values(a, b, near, others, every)}]
    first, shuffled = cka.prepare(a), cka.prepare(b[order])
    by_chance = cka.cka(first, shuffled)[0], k / (n - 1), procrustes(first, shuffled)
    rows[0] |= dict(zip(chances, by_chance, strict=True))
    for group in range(1, out.max() + 1):
        rows.append({"left_out": group, **_values(a, b, near, others, out != group)})
    return pd.DataFrame(rows)


def groups(labels: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Groups of images that are left out in turn, each with as many of every class as can be: (n,), from 1.

    Parameters
    ----------
    order : in which images of a class go to groups; any but that of the files, which may tell something
    """
    sorted_by_class = order[np.argsort(np.asarray(labels)[order], kind="stable")]
    found = np.empty(len(order), int)
    found[sorted_by_class] = 1 + np.arange(len(order)) % min(GROUPS, len(order) // 2)
    return found


def _values(a: np.ndarray, b: np.ndarray, near: np.ndarray, others: np.ndarray, kept: np.ndarray) -> dict[str, float]:
    """All measures of the images kept."""
    a, b, k = a[kept], b[kept], min(K, int(kept.sum()) - 2)
    if collapsed(a) or collapsed(b):
        return dict.fromkeys(NAMES, np.nan)
    first, second = cka.prepare(a), cka.prepare(b)
    shared = mutual_knn(neighbours(near, k, kept), neighbours(others, k, kept))
    return {"cka": cka.cka(first, second)[0], "mutual_knn": shared, "procrustes": procrustes(first, second)}


def deeper(layer: int, layers: int, others: int) -> int:
    """The layer of a model of `others` layers that is as deep as one of `layers`, 1-based; the last of the last."""
    return max(1, round(layer * others / layers))


def concluded(perturbation: str, layer: int, layers: int) -> bool:
    """Whether conclusions are drawn from a layer, at the last level: of two models from the last one alone."""
    return layer == layers or (layer == 1 and perturbation != "clean")


def conclusions(measured: pd.DataFrame, finetuned: list[str], confidence: float) -> pd.DataFrame:
    """What is read from similarities, as differences whose sign says so.

    Parameters
    ----------
    measured : model, other, perturbation, level, layer, and what `compare` gives; levels in their order
    finetuned : the models that are compared with themselves when perturbed

    Returns
    -------
    conclusion, measure, difference, low, high, a, b, chance
    """
    whole, parts = measured[measured["left_out"].isna()], _left_out(measured)
    last = whole[whole["layer"] == whole.groupby("model")["layer"].transform("max")]
    pairs = []
    for model in finetuned:
        own = whole[(whole["model"] == model) & (whole["perturbation"] != "clean")]
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
    rows = []
    for words, one, other in pairs:
        without, besides = parts.get(tuple(one[WHICH])), parts.get(tuple(other[WHICH]))
        for name in NAMES:
            row = {"conclusion": words, "measure": name, "difference": one[name] - other[name]}
            ends = np.nan, np.nan
            if without is not None and besides is not None:
                ends = statistics.jackknife(row["difference"], without[name] - besides[name], confidence)
            row |= {"low": ends[0], "high": ends[1], "a": one[name], "b": other[name]}
            rows.append(row | {"chance": max(one[f"chance_{name}"], other[f"chance_{name}"])})
    columns = ["conclusion", "measure", "difference", "low", "high", "a", "b", "chance"]
    return pd.DataFrame(rows, columns=columns)


def _left_out(measured: pd.DataFrame) -> dict[tuple, pd.DataFrame]:
    """Of each comparison its values without a group of images, by group."""
    parts = measured[measured["left_out"].notna()]
    return {which: part.set_index("left_out")[list(NAMES)] for which, part in parts.groupby(WHICH, sort=False)}
