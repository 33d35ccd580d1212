"""Class subspaces, layer by layer (the paper's Fig. 4)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from maescope.base.errors import InputError
from maescope.measures import geometry

Blocks = Callable[[int, str], Iterable[np.ndarray]]  # layer, label -> arrays (images, tokens, D)


class Bases(NamedTuple):
    """Top-k right singular vectors of every class in every layer.

    whole : (L, classes, D, k), of all images
    even, odd : (L, classes, D, k), of every second image: what remains without a class difference
    values : (L, classes, k) singular values, descending
    energy : (L, classes) sum of all squared singular values
    """

    whole: np.ndarray
    even: np.ndarray
    odd: np.ndarray
    values: np.ndarray
    energy: np.ndarray


def bases(blocks: Blocks, layers: int, labels: Sequence[str], k: int, centring: str) -> Bases:
    """Subspaces from streamed Gram matrices: memory is that of a few D x D matrices, whatever the images.

    Parameters
    ----------
    blocks : tokens of a 1-based layer and a label, some images at a time
    k : dimensions of a subspace
    centring : "none" (the paper), "class" or "global"; halves are centred where their class is. Only "global" holds
        the matrices of all classes at once

    Raises
    ------
    InputError
        naming label and layer where k is above the rank or a class has one image
    """
    found = [_of_layer(blocks, layer, labels, k, centring) for layer in range(1, layers + 1)]
    return Bases(*(np.stack(arrays) for arrays in zip(*found, strict=True)))


def _of_layer(blocks: Blocks, layer: int, labels: Sequence[str], k: int, centring: str) -> list[np.ndarray]:
    parts = []
    for label, (even, odd) in zip(labels, _centred(blocks, layer, labels, centring), strict=True):
        try:
            whole, *halves = (geometry.top_basis(gram, k) for gram in (even + odd, even, odd))
        except ValueError as error:
            raise InputError(f"label {label}, layer {layer}: {error}; lower analysis.subspace.k") from error
        parts.append((whole.basis, *(half.basis for half in halves), whole.values, whole.energy))
    return [np.stack(arrays) for arrays in zip(*parts, strict=True)]


def _centred(blocks: Blocks, layer: int, labels: Sequence[str], centring: str) -> Iterator[tuple]:
    """Gram matrices of the even and odd images of each label; only a common centre needs all labels at once."""
    for group in [labels] if centring == "global" else [[label] for label in labels]:
        halves = [_halves(blocks, layer, label) for label in group]
        origins = geometry.origins([even + odd for even, odd in halves], centring)
        for (even, odd), origin in zip(halves, origins, strict=True):
            yield geometry.centred(even, origin), geometry.centred(odd, origin)


def _halves(blocks: Blocks, layer: int, label: str) -> tuple:
    try:
        return geometry.half_grams(blocks(layer, label))
    except ValueError as error:
        raise InputError(f"label {label}, layer {layer}: {error}") from error


def energy_dimensions(blocks: Blocks, layers: int, labels: Sequence[str], fraction: float, centring: str) -> int:
    """The k that holds `fraction` of the energy of every class in every layer."""
    return max(
        geometry.energy_rank(even + odd, fraction)
        for layer in range(1, layers + 1)
        for even, odd in _centred(blocks, layer, labels, centring)
    )


def dimensions(blocks: Blocks, layers: int, labels: Sequence[str], k: int | float | list[int], centring: str) -> list:
    """The numbers of dimensions that a setting of k asks for: a number, several, or a fraction of the energy."""
    if isinstance(k, float):
        return [energy_dimensions(blocks, layers, labels, k, centring)]
    return [k] if isinstance(k, int) else list(k)


def singular_table(found: Bases, labels: Sequence[str]) -> pd.DataFrame:
    """Singular values, one per row, and each over the Frobenius norm of its class's tokens."""
    layers, _, k = found.values.shape
    rows = product_frame(layer=range(1, layers + 1), label=labels, index=range(1, k + 1))
    share = found.values / np.sqrt(found.energy)[..., None]
    return rows.assign(value=found.values.ravel(), relative=share.ravel())


def product_frame(**columns: Iterable) -> pd.DataFrame:
    """All combinations of the columns' values, the last one running fastest."""
    return pd.MultiIndex.from_product([list(c) for c in columns.values()], names=list(columns)).to_frame(index=False)
