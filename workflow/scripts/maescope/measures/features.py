"""Head-wise common features: the dimensions of a head that most images of a class share (the paper's Figs. 6-8)."""

from collections.abc import Iterable, Sequence
from fractions import Fraction

import numpy as np
import pandas as pd


def scaled_k(head_dim: int) -> int:
    """The paper's 10 of 64 dimensions, for heads of any width: ceil(10 d / 64)."""
    return -(-10 * head_dim // 64)


def top_dims(head: np.ndarray, k: int) -> np.ndarray:
    """The k dimensions of largest magnitude of each image; of equal ones the lower index, and none that is 0.

    A head that was pruned puts out zeros: its first k dimensions would be common to all images under any perturbation.

    Parameters
    ----------
    head : (L, B, H, d) head outputs, mean over patches

    Returns
    -------
    (L, B, H, d) bool, at most k of each d true
    """
    dim = head.shape[-1]
    if not 1 <= k <= dim:
        raise ValueError(f"the top k = {k} dimensions asked of a head of d = {dim}")
    size = np.abs(head)
    least = np.partition(size, dim - k, axis=-1)[..., dim - k, None]
    top = size >= least
    tied = np.count_nonzero(top, axis=-1) > k  # more than k are as large as the k-th
    equal = size[tied] == least[tied]
    room = k - np.count_nonzero(size[tied] > least[tied], axis=-1)[:, None]
    top[tied] &= ~equal | (equal.cumsum(axis=-1) <= room)
    return top & (head != 0)


def all_top_dims(heads: Iterable[np.ndarray], k: int) -> np.ndarray:
    """`top_dims` of several labels, read one after the other: (L, B of all, H, d) bool."""
    return np.concatenate([top_dims(head, k) for head in heads], axis=1)


def images_needed(threshold: float, images: int) -> int:
    """ceil(threshold x images) of the decimal number that was written: 0.55 x 100 is 55, not ceil(55.000...01)."""
    if not 0 < threshold <= 1:
        raise ValueError(f"the threshold is {threshold}, but must be above 0 and at most 1")
    exact = Fraction(str(threshold)) * images
    return -(-exact.numerator // exact.denominator)


def common(top: np.ndarray, threshold: float) -> np.ndarray:
    """The dimensions in the top k of at least `threshold` of the images of one class.

    Parameters
    ----------
    top : (L, B, H, d) bool, from `top_dims`
    threshold : fraction of the images, 0.6 in the paper

    Returns
    -------
    (L, H, d) bool
    """
    images = top.shape[1]
    if images == 0:
        raise ValueError("common features of 0 images")
    return top.sum(axis=1) >= images_needed(threshold, images)


def retained(clean: np.ndarray, perturbed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many dimensions are common on clean images (C_clean), and how many stay so when perturbed (C_pert).

    Parameters
    ----------
    clean, perturbed : (L, H, d) bool, from `common`, of the same class

    Returns
    -------
    common_clean, common_perturbed : (L, H) counts; the second, |clean and perturbed|, never exceeds the first
    """
    return clean.sum(axis=-1), (clean & perturbed).sum(axis=-1)


def shuffled_retained(
    clean: np.ndarray, perturbed: np.ndarray, labels: np.ndarray, threshold: float, draws: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """`retained` of classes whose labels are shuffled over the images: what is left without any class.

    Features that persist here are a static bias of the head. Class sizes stay; an image keeps its perturbed self.

    Parameters
    ----------
    clean, perturbed : (L, B, H, d) bool, from `top_dims`, the same images of all classes in the same order
    labels : (B,) the class of each image

    Returns
    -------
    common_clean, common_perturbed : (draws, classes, L, H) counts, classes in sorted order
    """
    rng, own = np.random.default_rng(seed), np.unique(labels, return_inverse=True)[1]
    counts = [_of_classes(clean, perturbed, rng.permutation(own), threshold) for _ in range(draws)]
    both = np.array(counts)  # (draws, classes, 2, L, H)
    return both[:, :, 0], both[:, :, 1]


def _of_classes(clean: np.ndarray, perturbed: np.ndarray, own: np.ndarray, threshold: float) -> list[tuple]:
    """`retained` of each class; `own` (B,) has the class of each image, from 0 on."""
    members = np.split(np.argsort(own, kind="stable"), np.cumsum(np.bincount(own))[:-1])
    return [retained(common(clean[:, m], threshold), common(perturbed[:, m], threshold)) for m in members]


def table(
    clean: np.ndarray, perturbed: np.ndarray, labels: Sequence[str], threshold: float, draws: int, seed: int
) -> pd.DataFrame:
    """`retained` of every class, layer and head, and beside it the mean over draws of `shuffled_retained`.

    The shuffled counts in the rows of a class are those of a random set of as many images.

    Parameters
    ----------
    clean, perturbed : (L, B, H, d) bool, from `top_dims`, the same images of all classes in the same order
    labels : (B,) the class of each image
    """
    classes, own = np.unique(labels, return_inverse=True)
    counts = np.array(_of_classes(clean, perturbed, own, threshold))
    own_clean, own_perturbed = counts.transpose(1, 0, 2, 3)  # (classes, L, H) each
    shuffled_clean, shuffled_perturbed = shuffled_retained(clean, perturbed, labels, threshold, draws, seed)
    number, layer, head = (index.ravel() for index in np.indices(own_clean.shape))
    return pd.DataFrame(
        {
            "label": classes[number],
            "layer": layer + 1,
            "head": head + 1,
            "common_clean": own_clean.ravel(),
            "common_perturbed": own_perturbed.ravel(),
            "shuffled_clean": shuffled_clean.mean(axis=0).ravel(),
            "shuffled_perturbed": shuffled_perturbed.mean(axis=0).ravel(),
        }
    )
