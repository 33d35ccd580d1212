"""Embeddings of one image under many masks against those of different images (docs/quantities.md)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from maescope.measures import alignment


def table(means: np.ndarray, labels: Sequence[str], images: Sequence[str]) -> pd.DataFrame:
    """Cosine and norms of pairs of masked embeddings: every two masks of an image, every two images under a mask.

    Two images are compared at each number of the mask, where each has a mask of its own.

    Parameters
    ----------
    means : (masks, B, D) mean-patch embeddings of one layer
    labels, images : (B,) class and identity

    Returns
    -------
    label, image, other_label, other_image, mask_a, mask_b, cosine, norm_a, norm_b; both images are the same within one

    Raises
    ------
    ValueError
        where there is one mask or one image only
    """
    masks, count = means.shape[:2]
    if masks < 2 or count < 2:
        raise ValueError(f"mask invariance needs 2 masks and 2 images or more, got {masks} and {count}")
    a, b = np.triu_indices(masks, 1)
    first, second = np.triu_indices(count, 1)
    within = [(image, image, a, b) for image in range(count)]
    number = np.arange(masks)
    between = [(i, j, number, number) for i, j in zip(first, second, strict=True)]
    return pd.concat([_pairs(means, labels, images, *pair) for pair in within + between], ignore_index=True)


def _pairs(means: np.ndarray, labels, images, i: int, j: int, a: np.ndarray, b: np.ndarray) -> pd.DataFrame:
    """Image i under masks `a` against image j under masks `b`."""
    one, other = means[a, i], means[b, j]  # (pairs, D)
    return pd.DataFrame(
        {
            "label": labels[i],
            "image": images[i],
            "other_label": labels[j],
            "other_image": images[j],
            "mask_a": a + 1,
            "mask_b": b + 1,
            "cosine": alignment.cosine(one, other),
            "norm_a": alignment.norm(one),
            "norm_b": alignment.norm(other),
        }
    )


def compared(pairs: pd.DataFrame) -> pd.Series:
    """What each row of `table` compares: `one image`, images of `one class`, or of `two classes`."""
    same_label = pairs["label"] == pairs["other_label"]
    names = np.where(same_label, "one class", "two classes")
    return pd.Series(np.where(same_label & (pairs["image"] == pairs["other_image"]), "one image", names), pairs.index)


def norms(pairs: pd.DataFrame) -> pd.DataFrame:
    """Norm of each image under each mask, from the pairs within images: label, image, mask, norm."""
    own = pairs[compared(pairs) == "one image"]
    ends = [
        own[["label", "image", f"mask_{end}", f"norm_{end}"]].set_axis(["label", "image", "mask", "norm"], axis=1)
        for end in "ab"
    ]
    return pd.concat(ends).drop_duplicates(["label", "image", "mask"])
