"""k-NN as papers of self-supervision report it: cosine, weighted votes, features after the final norm.

Wu et al. (2018), section 3.4, and the evaluation of DINO (Caron et al. 2021): each of the k images that are most alike
votes for its class with exp(cosine / temperature). `measures.separation` has another k-NN, by layer: distance, each
vote alike.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from maescope.base import statistics

TEMPERATURE = 0.07
KS = (10, 20, 100, 200)  # of DINO's evaluation, which is cited with 20
ROOM = 2**25  # cosines that are held at a time


def guesses(points: np.ndarray, voting: np.ndarray, own: np.ndarray, ks: Sequence[int]) -> dict[int, np.ndarray]:
    """The class that the k most alike of `voting` (m, D) give to each of points (n, D), for each k: (n,).

    Of classes with equally many votes the first; of equally like images any.

    Parameters
    ----------
    own : (m,) class of each that votes, from 0 on
    ks : at most m
    """
    points, voting = (each / np.linalg.norm(each, axis=1, keepdims=True).clip(1e-12) for each in (points, voting))
    classes, most, found = own.max() + 1, max(ks), {k: np.empty(len(points), dtype=int) for k in ks}
    block = max(1, ROOM // len(voting))
    for start in range(0, len(points), block):
        alike = points[start : start + block] @ voting.T  # (rows, m)
        best = np.argpartition(-alike, most - 1, axis=1)[:, :most]
        order = np.take_along_axis(alike, best, axis=1).argsort(axis=1)[:, ::-1]
        best = np.take_along_axis(best, order, axis=1)  # the most alike first
        weights = np.exp(np.take_along_axis(alike, best, axis=1).astype(np.float64) / TEMPERATURE)
        cells = np.arange(len(alike))[:, None] * classes + own[best]
        for k in ks:
            votes = np.bincount(cells[:, :k].ravel(), weights[:, :k].ravel(), len(alike) * classes)
            found[k][start : start + block] = votes.reshape(len(alike), classes).argmax(axis=1)
    return found


def measure(
    points: np.ndarray, labels: np.ndarray, voting: np.ndarray, their_labels: np.ndarray, confidence: float
) -> pd.DataFrame:
    """Accuracy for each k, of no more than there are images that vote.

    Parameters
    ----------
    points, voting : (n, D) and (m, D)
    labels, their_labels : (n,) and (m,)

    Returns
    -------
    k, temperature, accuracy, low, high (Wilson), images, votes, classes
    """
    classes, own = np.unique(their_labels, return_inverse=True)
    rows = []
    for k, guessed in guesses(points, voting, own, sorted({min(k, len(voting)) for k in KS})).items():
        right = int((classes[guessed] == labels).sum())
        low, high = statistics.wilson(right, len(labels), confidence)
        rows.append({"k": k, "temperature": TEMPERATURE, "accuracy": right / len(labels), "low": low, "high": high})
    return pd.DataFrame(rows).assign(images=len(labels), votes=len(voting), classes=len(classes))
