"""Claims on layers: attention, clusters, masks, subspaces."""

import math

import numpy as np
import pandas as pd

from maescope.base import grid, seeds, statistics
from maescope.claims.verdicts import FAILS, HOLDS, UNKNOWN, Evidence, Finding, agreement, beyond, example
from maescope.measures import mask_invariance
from maescope.tables.layers import first_angles

# ---- Layers: attention, clusters, masks, subspaces -------------------------------------------------------------------


def lowest_distance(evidence: Evidence, paper: float) -> Finding:
    """Smallest mean attention distance of a head: global is far."""
    return _distance(evidence, paper, "idxmin", "at least")


def highest_distance(evidence: Evidence, paper: float) -> Finding:
    """Largest mean attention distance of a head: the end of the paper's range, which may be missed either way."""
    return _distance(evidence, paper, "idxmax", "equal")


def _distance(evidence: Evidence, paper: float, extreme: str, direction: str) -> Finding:
    """Distances scale with the input: the paper's 224 px are brought to the size of this model's.

    Of an input that is no square this is the side of a square of as many pixels.
    """
    scale = math.sqrt(math.prod(grid.sides(evidence.crop))) / 224
    words = "equal to" if direction == "equal" else direction
    rule = f"the mean distance of the head is {words} {paper * scale:.4g} px, the paper's {paper:g} of 224 px"
    if evidence.attention is None:
        return Finding(rule, why="attention distances are not measured in this study")
    heads = evidence.attention.groupby(["layer", "head"])["distance_px"].mean()
    layer, head = getattr(heads, extreme)()
    part = evidence.attention[(evidence.attention["layer"] == layer) & (evidence.attention["head"] == head)]
    values, labels = part["distance_px"].to_numpy(), part["label"].to_numpy()
    low, high = statistics.bootstrap(values, labels, **evidence.intervals)
    verdict, why = agreement(low, high, paper * scale, direction, 10 * scale)
    return Finding(rule, verdict, statistics.class_mean(values, labels), low, high, "px", len(part), why)


def more_global_than_supervised(evidence: Evidence, paper: float) -> Finding:
    """Early attention is global, unlike that of a supervised ViT: the most local head of layer 1."""
    rule = "in layer 1 the most local head looks further than that of the supervised model; the whole interval above 0"
    if evidence.attention is None or evidence.attention_supervised is None:
        return Finding(rule, why="attention distances of both models are not measured in this study")
    by_image = [_most_local(frame) for frame in (evidence.attention, evidence.attention_supervised)]
    paired = pd.concat(by_image, axis=1, join="inner", keys=["own", "supervised"])
    difference, labels = (paired["own"] - paired["supervised"]).to_numpy(), paired.index.get_level_values("label")
    low, high = statistics.bootstrap(difference, labels, **evidence.intervals)
    measured = statistics.class_mean(difference, labels)
    return Finding(rule, beyond(low, high, 0), measured, low, high, "px", len(paired))


def _most_local(attention: pd.DataFrame) -> pd.Series:
    """Distance of each image in that head of layer 1 whose mean is smallest."""
    first = attention[attention["layer"] == 1]
    head = first.groupby("head")["distance_px"].mean().idxmin()
    return first[first["head"] == head].set_index(["label", "image"])["distance_px"]


def first_clustered_layer(evidence: Evidence, paper: float) -> Finding:
    """The first layer with class clusters: where the silhouette of mean tokens is half way up to its largest value.

    Depth is relative: the paper's layers are those of 12.
    """
    rule = (
        "the silhouette of mean tokens is above 0 and half way from layer 1 to its maximum at the paper's depth, "
        "give or take a twelfth of the layers"
    )
    if evidence.separation is None:
        return Finding(rule, why="the separation of classes by layer is not measured in this study")
    mean = evidence.separation.query("token == 'mean' and scope == 'all'")
    silhouette = mean.set_index("layer")["silhouette"].sort_index()
    half = (silhouette.iloc[0] + silhouette.max()) / 2
    if silhouette.idxmax() == silhouette.index[0]:
        return Finding(rule, FAILS, why="the silhouette of mean tokens is largest in layer 1")
    reached = silhouette.index[(silhouette >= half) & (silhouette > 0)]
    if not len(reached):
        return Finding(rule, FAILS, why="the silhouette of mean tokens is below 0 in every layer")
    layer, depth = int(reached[0]), silhouette.index.max() / 12
    return Finding(rule, HOLDS if abs(layer - paper * depth) <= depth else FAILS, layer, unit="layer")


def lowest_mask_norm(evidence: Evidence, paper: float) -> Finding:
    """Smallest norm of an image over random masks."""
    return _mask_norm(evidence, paper, "min")


def highest_mask_norm(evidence: Evidence, paper: float) -> Finding:
    """Largest norm of an image over random masks."""
    return _mask_norm(evidence, paper, "max")


def _mask_norm(evidence: Evidence, paper: float, extreme: str) -> Finding:
    if evidence.mask_invariance is None:
        return Finding("the paper's example lies within those here", why="masks are not compared in this study")
    norms = mask_invariance.norms(evidence.mask_invariance).groupby(["label", "image"])["norm"]
    return example(norms.agg(extreme), evidence, paper)


def growing_angles(evidence: Evidence, paper: float) -> Finding:
    """Subspaces of classes separate with depth, by more than halves of one class do.

    Pairs share classes, so classes are resampled and not pairs.
    """
    rule = (
        "from the first to the last layer the smallest angle between classes grows by more than that between halves "
        "of one class; the whole interval above 0"
    )
    if evidence.angles is None:
        return Finding(rule, why="angles between classes are not measured in this study")
    first = first_angles(evidence.angles)
    layers = first["layer"].min(), first["layer"].max()
    names = sorted(set(first.loc[first["kind"] == "between", "label_a"]) | set(first["label_b"].dropna()))
    between, within = (_growth(first[first["kind"] == kind], layers, names) for kind in ("between", "within"))
    other = ~np.eye(len(names), dtype=bool)
    measured = between[other].mean() - within.diagonal().mean()
    generator = seeds.generator(evidence.intervals["seed"], "classes")
    excess = []
    for drawn in generator.integers(0, len(names), (evidence.intervals["resamples"], len(names))):
        pairs = drawn[:, None] != drawn[None]  # a class drawn twice makes no pair with itself
        if pairs.any():
            excess.append(between[np.ix_(drawn, drawn)][pairs].mean() - within.diagonal()[drawn].mean())
    tail = (1 - evidence.intervals["confidence"]) / 2
    low, high = np.quantile(excess, [tail, 1 - tail])
    why = f"{len(names)} classes"
    if len(names) < 5:
        return Finding(rule, UNKNOWN, measured, low, high, "degrees", why=f"{why} are too few to resample")
    return Finding(rule, beyond(low, high, 0), measured, low, high, "degrees", why=why)


def _growth(angles: pd.DataFrame, layers: tuple[int, int], names: list[str]) -> np.ndarray:
    """Growth of an angle between two layers for each pair of classes, symmetric (classes, classes)."""
    pairs = angles.pivot_table(index=["label_a", "label_b"], columns="layer", values="angle_deg")
    growth = np.full((len(names), len(names)), np.nan)
    for (a, b), row in pairs.iterrows():
        growth[names.index(a), names.index(b)] = growth[names.index(b), names.index(a)] = (
            row[layers[1]] - row[layers[0]]
        )
    return growth
