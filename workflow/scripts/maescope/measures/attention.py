"""How much a patch's place or content decides on where it looks (Park et al. 2023)."""

import numpy as np
import pandas as pd


def normalised_mutual_information(entropy: np.ndarray, key_entropy: np.ndarray, patches: int) -> np.ndarray:
    """I(query, key) / sqrt(H(query) H(key)) of heads, in [0, 1]; all N queries count the same, so H(query) = log(N).

    0 where every query looks at the same keys, also where that is one key only; 1 where each has a key of its own.

    Parameters
    ----------
    entropy : of the keys of one query, mean over queries, in nats
    key_entropy : of the keys of all queries together, in nats, of the same shape
    patches : N
    """
    information = np.maximum(key_entropy - entropy, 0)
    scale = np.sqrt(np.maximum(key_entropy, 0) * np.log(patches))
    return np.divide(information, scale, out=np.zeros_like(information), where=scale > 0)


def over_images(attention: pd.DataFrame) -> pd.DataFrame:
    """Mean over images of each head: model, layer, head, entropy, nmi, patches.

    Parameters
    ----------
    attention : measure `attention` with column `model`
    """
    heads = attention.groupby(["model", "layer", "head"], sort=False)
    return heads[["entropy", "nmi", "patches"]].mean().reset_index()
