"""Silhouette and k-NN, and the linear probe, of many points against scikit-learn, in CPU time of one process.

`python benchmarks/separating.py separation 10000` or `... probe 20000 100` prints one of the two as JSON, with its peak
of memory; `... memory 50000` runs ours alone.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from row import Row, in_a_process, resident
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import silhouette_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from maescope.measures import probe, separation

DIM, K = 768, 5


def separation_row(options: argparse.Namespace) -> Row:
    """10,000 points of 200 classes; both grow with the pairs."""
    found = in_a_process(__file__, "separation", "10000", "200")
    return _row("silhouette and k-NN, 10,000 x 768, against scikit-learn's by chunks", found, 5)


def probe_row(options: argparse.Namespace) -> Row:
    """20,000 points of 100 classes, four fifths of them to learn from."""
    found = in_a_process(__file__, "probe", "20000", "100")
    return _row("linear probe, 20,000 x 768, 100 classes, against scikit-learn's", found, 20)


def memory_row(options: argparse.Namespace) -> Row:
    """Peak of a process with 50,000 points, their tokens among it."""
    peak = in_a_process(__file__, "memory", "50000", "1000")["peak"] / 1e9
    return Row("peak memory of silhouette and k-NN, 50,000 x 768", peak, 2, limit=True, unit=" GB")


def _row(what: str, found: dict, target: float) -> Row:
    remark = f"{found['ours']:.1f} s of CPU, scikit-learn {found['theirs']:.1f}; {found['words']}"
    return Row(what, found["theirs"] / found["ours"], target, unit=" x", remark=remark)


def points(count: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings as a ViT has them: dimensions that vary together and unequally, classes that overlap, far from 0."""
    rng = np.random.default_rng(0)
    own = np.arange(count) % classes
    scales = np.arange(1.0, DIM + 1) ** -1
    mixed = np.linalg.qr(rng.standard_normal((DIM, DIM)))[0] * scales
    centres = rng.standard_normal((classes, DIM)) * 0.12
    found = np.empty((count, DIM), np.float32)
    for start in range(0, count, 5000):
        rows = own[start : start + 5000]
        found[start : start + 5000] = (centres[rows] + rng.standard_normal((len(rows), DIM))) @ mixed.T + 2
    return found, own


def compared(count: int, classes: int) -> dict:
    """Silhouette and k-NN, ours and scikit-learn's by chunks, which takes all distances twice."""
    x, own = points(count, classes)
    (silhouette, accuracy), ours = timed(lambda: separation.separation(x, own, np.arange(count), K))

    def plain() -> tuple[float, float]:
        judge = KNeighborsClassifier(K + 1, algorithm="brute").fit(x, own)
        votes = own[judge.kneighbors(x, return_distance=False)[:, 1:]]  # without the point itself
        best = [np.bincount(row, minlength=classes).argmax() for row in votes]
        return silhouette_score(x, own), float(np.mean(np.array(best) == own))

    (expected, theirs_accuracy), theirs = timed(plain)
    words = (
        f"silhouettes differ by {abs(silhouette - expected):.1e}, accuracies by {abs(accuracy - theirs_accuracy):.1e}"
    )
    return {"ours": ours, "theirs": theirs, "words": words, "peak": resident("VmHWM")}


def probed(count: int, classes: int) -> dict:
    """A probe fitted on four fifths, ours and scikit-learn's."""
    x, own = points(count, classes)
    learnt = count * 4 // 5
    probe.guesses(x[:1000], own[:1000] % 2, x[:10])  # imports
    import torch  # noqa: F401

    guesses, ours = timed(lambda: probe.guesses(x[:learnt], own[:learnt], x[learnt:]))
    plain = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    expected, theirs = timed(lambda: plain.fit(x[:learnt], own[:learnt]).predict(x[learnt:]))
    right = [100 * np.mean(found == own[learnt:]) for found in (guesses, expected)]
    words = f"accuracy {right[0]:.2f} and {right[1]:.2f} %, {plain[-1].n_iter_[0]} iterations of scikit-learn"
    return {"ours": ours, "theirs": theirs, "words": words, "peak": resident("VmHWM")}


def alone(count: int, classes: int) -> dict:
    """Peak of memory of ours alone."""
    x, own = points(count, classes)
    (silhouette, accuracy), ours = timed(lambda: separation.separation(x, own, np.arange(count), K))
    return {"ours": ours, "silhouette": silhouette, "accuracy": accuracy, "peak": resident("VmHWM")}


def timed(action: Callable) -> tuple[object, float]:
    """What an action gives, and its seconds of CPU."""
    start = time.process_time()
    return action(), time.process_time() - start


if __name__ == "__main__":
    run = {"separation": compared, "probe": probed, "memory": alone}[sys.argv[1]]
    print(json.dumps(run(*map(int, sys.argv[2:]))))
