"""Top-1 predictions."""

from collections.abc import Sequence

import numpy as np


def predict(logits: np.ndarray, among: Sequence[int] | None = None) -> np.ndarray:
    """Index of the largest logit, over all classes or `among` some only; ties go to the lower index.

    Parameters
    ----------
    logits : (B, C)
    among : class indices that a prediction may be, None for all

    Returns
    -------
    (B,) class indices
    """
    if among is None:
        return logits.argmax(1)
    among = np.sort(np.asarray(among))
    return among[logits[:, among].argmax(1)]
