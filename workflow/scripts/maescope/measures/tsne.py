"""t-SNE maps of tokens (the paper's Figs. 1 and 2). A picture proves nothing: `separation` measures what it shows."""

from collections.abc import Sequence

import numpy as np
from joblib import Parallel, delayed
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from maescope.measures.embeddings import collapsed


def tsne(points: np.ndarray, seed: int, perplexity: float = 30.0, threads: int = 1) -> np.ndarray:
    """scikit-learn's t-SNE, initialised by PCA.

    A rerun with one thread is bit-identical on the same machine. Threads that have to share their cores make it many
    times slower, so several layers are best run beside each other with one thread each.

    Parameters
    ----------
    points : (n, D)
    seed : of the randomised PCA that scikit-learn takes above 500 points or dimensions; below it nothing is random

    Returns
    -------
    (n, 2) float32

    Raises
    ------
    ValueError
        If the perplexity is not below n, or all points are the same, of which no map can be made.
    """
    if perplexity >= len(points):
        raise ValueError(f"perplexity {perplexity:g} must be below the number of points, {len(points)}")
    if collapsed(points):
        raise ValueError(f"{len(points)} points that are all the same have no map")
    points = np.asarray(points, dtype=np.float32)
    with threadpool_limits(threads):  # n_jobs reaches the neighbour search, not the descent
        return TSNE(init="pca", perplexity=perplexity, random_state=seed, n_jobs=threads).fit_transform(points)


def side_by_side(sets: Sequence[np.ndarray], seed: int, perplexity: float, processes: int) -> list[np.ndarray]:
    """`tsne` of several sets of points, each in a process with one thread.

    Parameters
    ----------
    sets : arrays (n, D), n of each its own; the longest should come first

    Returns
    -------
    arrays (n, 2) float32, the same for any number of processes
    """
    return Parallel(n_jobs=processes)(delayed(tsne)(points, seed, perplexity) for points in sets)
