"""How well classes separate in a layer's own space: silhouette, k-NN and linear probe (beside the paper's Figs. 1, 2).

Points are cls, mean or patch tokens. `groups` names the image of each point: no point is judged by its own image.
"""

from functools import lru_cache

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from maescope.measures import pairs, probe
from maescope.measures.embeddings import collapsed

ROWS = 256  # of points whose votes are counted at a time


def separation(points: np.ndarray, labels: np.ndarray, groups: np.ndarray, k: int) -> tuple[float, float]:
    """Mean silhouette, and accuracy of k nearest neighbours, of which none comes from the point's own image.

    The silhouette is in [-1, 1], and 0 without structure. Of equally near points the lower index counts; of classes
    with equally many votes the first in sorted order. By hand, because scikit-learn's classifier cannot leave out the
    neighbours from the point's own image, and takes all distances once more for the silhouette.

    Parameters
    ----------
    points : (n, D)
    labels, groups : (n,) class and image of each point

    Raises
    ------
    ValueError
        If there is one class only, or a class with one image, or k is not below the number of available neighbours.
    """
    found, right = judged(points, labels, groups, k)
    return float(found.silhouettes.mean()), float(right.mean())


def judged(points: np.ndarray, labels: np.ndarray, groups: np.ndarray, k: int) -> tuple[pairs.Compared, np.ndarray]:
    """What pairs of points say, and whether neighbours tell the class of each, (n,); see `separation`."""
    _refuse_too_few(labels, groups)
    available = len(groups) - int(np.unique(groups, return_counts=True)[1].max())
    if not 1 <= k < available:
        raise ValueError(f"k = {k} neighbours, but must be 1 or more and below the {available} of other images")
    classes, own = np.unique(labels, return_inverse=True)
    found = pairs.compared(points, own, groups, k)
    return found, _voted(own[found.nearest], len(classes)) == own


def _voted(votes: np.ndarray, classes: int) -> np.ndarray:
    """The class with most votes of each row of `votes` (n, k), of equally many the first."""
    found = np.empty(len(votes), dtype=int)
    for start in range(0, len(votes), ROWS):
        rows = votes[start : start + ROWS]
        at = np.arange(len(rows))[:, None] * classes + rows
        counts = np.bincount(at.ravel(), minlength=len(rows) * classes).reshape(len(rows), classes)
        found[start : start + ROWS] = counts.argmax(axis=1)
    return found


def linear_probe_accuracy(points: np.ndarray, labels: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> float:
    """Cross-validated accuracy of multinomial logistic regression on standardised dimensions (`probe.guesses`).

    Folds are stratified by class and never split an image.

    Parameters
    ----------
    points : (n, D)
    labels, groups : (n,) class and image of each point

    Raises
    ------
    ValueError
        If there is one class only, or a class has fewer images than folds.
    """
    return float(probed(points, labels, groups, folds, seed).mean())


def probed(points: np.ndarray, labels: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """(n,) whether the probe that did not see a point's image tells its class; see `linear_probe_accuracy`."""
    _refuse_too_few(labels, groups)
    label, images = _fewest_groups(labels, groups)
    if images < folds:
        raise ValueError(f"{folds} folds need as many images of each class, but class {label!s} has {images}")
    right = np.zeros(len(labels), bool)
    for learnt, guessed in _splits(tuple(labels.tolist()), tuple(groups.tolist()), folds, seed):
        right[guessed] = probe.guesses(points[learnt], labels[learnt], points[guessed]) == labels[guessed]
    return right


@lru_cache(2)  # all layers have the same, and drawing them takes as long as the fits
def _splits(labels: tuple, groups: tuple, folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Indices of the points to learn from and of those to guess, fold by fold."""
    drawn = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    return list(drawn.split(np.zeros(len(labels)), labels, groups))


def chance_level(labels: np.ndarray) -> float:
    """Accuracy of always guessing the largest class: 1 / classes where they are balanced."""
    return float(np.unique(labels, return_counts=True)[1].max() / len(labels))


def _refuse_too_few(labels: np.ndarray, groups: np.ndarray) -> None:
    """Refuse one class alone, and a class with one image only."""
    classes = len(np.unique(labels))
    if classes < 2:
        raise ValueError(f"separation needs 2 classes or more, but the {len(labels)} points have {classes}")
    label, number = _fewest_groups(labels, groups)
    if number < 2:
        raise ValueError(f"each class needs 2 images or more, but class {label!s} has {number}")


def _fewest_groups(labels: np.ndarray, groups: np.ndarray) -> tuple[object, int]:
    """The class with the fewest groups, the first of several, and their number."""
    numbers = pd.DataFrame({"label": labels, "group": groups}).groupby("label")["group"].nunique()
    return numbers.idxmin(), int(numbers.min())


def judged_by(
    voting: np.ndarray, their_labels: np.ndarray, points: np.ndarray, labels: np.ndarray, k: int
) -> dict[str, float]:
    """Accuracies of points (n, D) whose classes other points (m, D) tell: by k-NN, and by a probe fitted on these.

    Where all of them are the same but for rounding, they count as equal, as in `measure`.

    Raises
    ------
    ValueError
        If k is above the number of other points.
    """
    if k > len(voting):
        raise ValueError(f"k = {k} neighbours, but there are {len(voting)} points that vote")
    if collapsed(np.concatenate([voting, points])):
        voting, points = np.zeros_like(voting), np.zeros_like(points)
    classes, own = np.unique(their_labels, return_inverse=True)
    told = classes[_voted(own[pairs.voters(points, voting, k)], len(classes))]
    learnt = probe.guesses(voting, their_labels, points)
    return {"knn_reference": float(np.mean(told == labels)), "probe_reference": float(np.mean(learnt == labels))}


def measure(
    points: np.ndarray, labels: np.ndarray, groups: np.ndarray, neighbours: int, folds: int, seed: int
) -> dict[str, float]:
    """Everything that tells how well classes separate, with standard errors and the accuracy of guessing.

    Points that are the same but for rounding count as equal: silhouette 0, and nothing for a probe to read.
    """
    if collapsed(points):
        points = np.zeros_like(points)
    found, near = judged(points, labels, groups, neighbours)
    learnt = probed(points, labels, groups, folds, seed)
    return {
        "silhouette": float(found.silhouettes.mean()),
        "knn_accuracy": float(near.mean()),
        "probe_accuracy": float(learnt.mean()),
        "chance": chance_level(labels),
        "classes": len(np.unique(labels)),
        "images": len(np.unique(groups)),
        "silhouette_error": standard_error(found.draws(), labels, groups),
        "knn_error": standard_error(near, labels, groups),
        "probe_error": standard_error(learnt, labels, groups),
    }


def standard_error(values: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> float:
    """Standard error of a mean over points where images are drawn within classes (Cochran 1977, ch. 5 and 9).

    Points of one image are no independent draws: what counts is the sum over each image. For neighbours and the probe
    the images that judge are taken as they are; what a point does to the silhouettes of others is in `Compared.draws`.

    Parameters
    ----------
    values : (n,) one number per point
    labels, groups : (n,) class and image of each point; each class has 2 images or more
    """
    _, first, image = np.unique(groups, return_index=True, return_inverse=True)
    sums = np.bincount(image, np.asarray(values, np.float64))
    own = np.unique(labels[first], return_inverse=True)[1]
    counts = np.bincount(own)
    squares = np.bincount(own, (sums - (np.bincount(own, sums) / counts)[own]) ** 2)
    return float(np.sqrt((squares * counts / (counts - 1)).sum())) / len(values)
