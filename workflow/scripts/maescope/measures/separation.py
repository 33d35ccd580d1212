"""How well classes separate in a layer's own space: silhouette, k-NN and linear probe (beside the paper's Figs. 1, 2).

Points are cls, mean or patch tokens. `groups` names the image of each point: no point is judged by its own image.
"""

from functools import lru_cache

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import silhouette_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from maescope.measures.embeddings import collapsed

ROWS = 256  # of the distance matrix at a time, so that temporaries stay small


def distances(points: np.ndarray) -> np.ndarray:
    """Euclidean distances (n, n) of points (n, D), float64, 0 on the diagonal.

    By hand, because scikit-learn's leave equal points apart by rounding, and k-NN would then break no tie by index. So
    would a product of matrices, which sums in another order from one row to the next: equal points count once in it.
    """
    points = np.asarray(points, dtype=np.float64) + 0.0  # of -0.0 and 0.0 the bytes are others
    numbers: dict[bytes, int] = {}
    own = [numbers.setdefault(point.tobytes(), len(numbers)) for point in points]
    if len(numbers) < len(points):
        return distances(points[np.unique(own, return_index=True)[1]])[np.ix_(own, own)]
    squares = points @ points.T
    norms = squares.diagonal().copy()
    # |x - y|^2 = |x|^2 + |y|^2 - 2 x.y, in place: at 4,410 points each copy would be 156 MB.
    squares *= -2
    squares += norms[:, None]
    squares += norms[None, :]
    return np.sqrt(np.maximum(squares, 0, out=squares), out=squares)


def silhouette(distances: np.ndarray, labels: np.ndarray) -> float:
    """Mean silhouette in [-1, 1] of points with pairwise `distances` (n, n) and `labels` (n,); 0 without structure."""
    _refuse_too_few(labels, np.arange(len(labels)), "point")
    return float(silhouette_score(distances, labels, metric="precomputed"))


def knn_accuracy(distances: np.ndarray, labels: np.ndarray, groups: np.ndarray, k: int) -> float:
    """Leave-one-image-out k-NN accuracy: no neighbour comes from the point's own image.

    Of equally near points the lower index counts; of classes with equally many votes the first in sorted order.
    By hand, because scikit-learn's classifier cannot leave out the neighbours that come from the point's own image.

    Parameters
    ----------
    distances : (n, n)
    labels, groups : (n,) class and image of each point

    Raises
    ------
    ValueError
        If there is one class only, a class with one image, or k is not below the number of available neighbours.
    """
    _refuse_too_few(labels, groups, "image")
    available = len(groups) - int(np.unique(groups, return_counts=True)[1].max())
    if not 1 <= k < available:
        raise ValueError(f"k = {k} neighbours, but must be 1 or more and below the {available} of other images")
    classes, own = np.unique(labels, return_inverse=True)
    members = np.eye(len(classes))[own]  # (n, classes), 1 where the point is of the class
    correct = 0
    for start in range(0, len(own), ROWS):
        rows = slice(start, start + ROWS)
        others = np.where(groups[rows, None] == groups, np.inf, distances[rows])
        votes = _nearest(others, k) @ members  # (rows, classes)
        correct += int((votes.argmax(axis=1) == own[rows]).sum())
    return correct / len(own)


def separation(points: np.ndarray, labels: np.ndarray, groups: np.ndarray, k: int) -> tuple[float, float]:
    """`silhouette` and `knn_accuracy` of points (n, D), from one distance matrix."""
    apart = distances(points)
    return silhouette(apart, labels), knn_accuracy(apart, labels, groups, k)


def linear_probe_accuracy(points: np.ndarray, labels: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> float:
    """Cross-validated accuracy of multinomial logistic regression on standardised dimensions.

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
    _refuse_too_few(labels, groups, "image")
    label, images = _fewest_groups(labels, groups)
    if images < folds:
        raise ValueError(f"{folds} folds need as many images of each class, but class {label!s} has {images}")
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    splits = _splits(tuple(labels.tolist()), tuple(groups.tolist()), folds, seed)
    guesses = cross_val_predict(probe, points, labels, cv=splits)
    return float(np.mean(guesses == labels))


@lru_cache(2)  # all layers have the same, and drawing them takes as long as the fits
def _splits(labels: tuple, groups: tuple, folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Indices of the points to learn from and of those to guess, fold by fold."""
    drawn = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    return list(drawn.split(np.zeros(len(labels)), labels, groups))


def chance_level(labels: np.ndarray) -> float:
    """Accuracy of always guessing the largest class: 1 / classes where they are balanced."""
    return float(np.unique(labels, return_counts=True)[1].max() / len(labels))


def _refuse_too_few(labels: np.ndarray, groups: np.ndarray, of_what: str) -> None:
    """Refuse one class alone, and a class with one group (`of_what`) only."""
    classes = len(np.unique(labels))
    if classes < 2:
        raise ValueError(f"separation needs 2 classes or more, but the {len(labels)} points have {classes}")
    label, number = _fewest_groups(labels, groups)
    if number < 2:
        raise ValueError(f"each class needs 2 {of_what}s or more, but class {label!s} has {number}")


def _fewest_groups(labels: np.ndarray, groups: np.ndarray) -> tuple[object, int]:
    """The class with the fewest groups, and their number."""
    classes = np.unique(labels)
    numbers = [len(np.unique(groups[labels == label])) for label in classes]
    return classes[np.argmin(numbers)], min(numbers)


def _nearest(distances: np.ndarray, k: int) -> np.ndarray:
    """(rows, n) bool: the k smallest of each row, of equal ones the lower index."""
    farthest = np.partition(distances, k - 1, axis=1)[:, k - 1 : k]
    nearest = distances <= farthest
    tied = np.flatnonzero(nearest.sum(axis=1) > k)  # more than k are as near as the k-th
    equal = distances[tied] == farthest[tied]
    room = k - (distances[tied] < farthest[tied]).sum(axis=1, keepdims=True)
    nearest[tied] &= ~equal | (equal.cumsum(axis=1) <= room)
    return nearest


def measure(
    points: np.ndarray, labels: np.ndarray, groups: np.ndarray, neighbours: int, folds: int, seed: int
) -> dict[str, float]:
    """Everything that tells how well classes separate, with the accuracy of guessing.

    Points that are the same but for rounding count as equal: silhouette 0, and nothing for a probe to read.
    """
    if collapsed(points):
        points = np.zeros_like(points)
    silhouette, accuracy = separation(points, labels, groups, neighbours)
    return {
        "silhouette": silhouette,
        "knn_accuracy": accuracy,
        "probe_accuracy": linear_probe_accuracy(points, labels, groups, folds, seed),
        "chance": chance_level(labels),
        "classes": len(np.unique(labels)),
        "images": len(np.unique(groups)),
    }
