"""t-SNE maps of tokens (the paper's Figs. 1 and 2). A picture proves nothing: `probes` measures what it shows."""

import numpy as np
from sklearn.manifold import TSNE


def tsne(points: np.ndarray, seed: int, perplexity: float = 30.0, threads: int = 1) -> np.ndarray:
    """scikit-learn's t-SNE, initialised by PCA: bit-identical on every rerun with the same seed and machine.

    Parameters
    ----------
    points : (n, D)
    threads : of the neighbour search; the descent takes as many as OMP_NUM_THREADS says

    Returns
    -------
    (n, 2) float32

    Raises
    ------
    ValueError
        If the perplexity is not below n.
    """
    if perplexity >= len(points):
        raise ValueError(f"perplexity {perplexity:g} must be below the number of points, {len(points)}")
    points = np.asarray(points, dtype=np.float32)
    return TSNE(init="pca", perplexity=perplexity, random_state=seed, n_jobs=threads).fit_transform(points)
