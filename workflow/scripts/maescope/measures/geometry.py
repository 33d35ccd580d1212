"""Class subspaces and the principal angles between them (the paper's Fig. 4).

A class is the span of the top-k right singular vectors of its tokens X. They are the top eigenvectors of the Gram
matrix X^T X, which is summed block by block, so memory is D x D whatever the number of images. The squaring costs half
of float64's digits: singular values below about 1e-7 of the largest count as zero.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import blas, eigh, eigvalsh, lapack
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh


@dataclass
class Gram:
    """Second moments of a set of rows.

    Float64: summed in float32, half the time, the top-10 subspace of rows with a decaying spectrum was off by 1e-7 rad
    where their mean is small and by 1e-3 rad where it is 100 times the largest deviation.

    Attributes
    ----------
    lower : (D, D) Fortran-ordered float64, X^T X with zeros above the diagonal
    total : (D,) sum of the rows
    count : number of rows
    """

    lower: np.ndarray
    total: np.ndarray
    count: int

    @classmethod
    def zeros(cls, dim: int) -> "Gram":
        """The Gram matrix of no rows."""
        return cls(np.zeros((dim, dim), order="F"), np.zeros(dim), 0)

    def add(self, rows: np.ndarray) -> None:
        """Adds rows (n, D) of any float type, in place; n may be 0."""
        if len(rows) == 0:
            return
        rows = np.asarray(rows, dtype=np.float64, order="C")
        self.lower = blas.dsyrk(1.0, rows.T, beta=1.0, c=self.lower, lower=1, overwrite_c=1)
        self.total += rows.sum(axis=0)
        self.count += len(rows)

    def __add__(self, other: "Gram") -> "Gram":
        return Gram(self.lower + other.lower, self.total + other.total, self.count + other.count)

    @property
    def energy(self) -> float:
        """Sum of all squared singular values: the squared Frobenius norm of the rows."""
        return float(np.trace(self.lower))


class Subspace(NamedTuple):
    """Top-k right singular vectors of a class.

    basis : (D, k) orthonormal columns, the largest singular value first
    values : (k,) singular values, descending
    energy : sum of all squared singular values, so `values / sqrt(energy)` is normalised by the Frobenius norm
    """

    basis: np.ndarray
    values: np.ndarray
    energy: float


def gram(blocks: Iterable[np.ndarray]) -> Gram:
    """Gram matrix of all rows of `blocks`, arrays (n, D) of any n."""
    whole = None
    for rows in blocks:
        whole = whole or Gram.zeros(rows.shape[-1])
        whole.add(rows)
    if whole is None:
        raise ValueError("a Gram matrix of 0 blocks: no tokens")
    return whole


def half_grams(blocks: Iterable[np.ndarray]) -> tuple[Gram, Gram]:
    """Gram matrices of the even and of the odd images; their sum is the Gram matrix of all.

    The angles between the two halves of a class are what remains when there is no class difference.

    Parameters
    ----------
    blocks : arrays (images, tokens, D); images are counted through all blocks, whatever their sizes
    """
    halves, seen = None, 0
    for images in blocks:
        dim = images.shape[-1]
        halves = halves or (Gram.zeros(dim), Gram.zeros(dim))
        for parity, half in enumerate(halves):
            half.add(images[(parity + seen) % 2 :: 2].reshape(-1, dim))  # (images / 2 * tokens, D)
        seen += len(images)
    if seen < 2:
        raise ValueError(f"split halves need 2 images or more, got {seen}")
    return halves


def origins(grams: list[Gram], centring: str) -> np.ndarray:
    """The point that each class is centred at, (classes, D): 0, the mean of the class, or that of all rows.

    Parameters
    ----------
    centring : "none" (the paper), "class" or "global"
    """
    totals = np.stack([g.total for g in grams])
    counts = np.array([g.count for g in grams])
    if centring == "none":
        return np.zeros_like(totals)
    if centring == "class":
        return totals / counts[:, None]
    if centring == "global":
        return np.broadcast_to(totals.sum(0) / counts.sum(), totals.shape)
    raise ValueError(f'centring is "{centring}", but must be "none", "class" or "global"')


def centred(gram: Gram, origin: np.ndarray) -> Gram:
    """Gram matrix of the same rows with `origin` (D,) subtracted from each."""
    # sum (x - m)(x - m)^T = sum x x^T - m y^T - y m^T with y = sum x - n m / 2
    rest = gram.total - gram.count * origin / 2
    lower = blas.dsyr2(-1.0, origin, rest, a=gram.lower, lower=1)
    return Gram(lower, gram.total - gram.count * origin, gram.count)


def top_basis(gram: Gram, k: int | float) -> Subspace:
    """Top-k right singular vectors of the rows: the class subspace of the paper's Fig. 4.

    Parameters
    ----------
    k : number of dimensions, or a fraction in (0, 1) of the energy: see `energy_rank`

    Raises
    ------
    ValueError
        If k is not between 1 and the rank of the rows.
    """
    if isinstance(k, float):
        k = energy_rank(gram, k)
    possible = min(gram.count, len(gram.lower))
    if not 1 <= k <= possible:
        raise ValueError(f"k = {k} dimensions asked of {gram.count} rows of {len(gram.lower)}: rank at most {possible}")
    squares, vectors = _top_eigenpairs(gram.lower, k)
    if squares[-1] <= _negligible(gram.lower, squares[0]):
        raise ValueError(f"k = {k} is above the rank of the rows, {_rank(gram.lower)}")
    return Subspace(vectors, np.sqrt(squares), gram.energy)


def energy_rank(gram: Gram, fraction: float) -> int:
    """The smallest k whose top-k singular vectors hold `fraction`, in (0, 1), of the energy.

    Angles compare only at equal k: where k comes from here, take the largest over classes and layers for all.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"the energy fraction is {fraction}, but must lie between 0 and 1")
    held = np.cumsum(eigvalsh(gram.lower)[::-1])
    return int(np.searchsorted(held, fraction * gram.energy)) + 1


def _top_eigenpairs(lower: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k largest eigenvalues, descending, and their vectors (D, k)."""
    dim = len(lower)
    if 8 * k <= dim:  # Lanczos pays where few are wanted: at D = 768 and k = 10 it takes 1/6 of a dense solver's time
        matrix = LinearOperator((dim, dim), matvec=lambda v: blas.dsymv(1.0, lower, v, lower=1), dtype=np.float64)
        rng = np.random.default_rng(0)
        try:
            squares, vectors = eigsh(matrix, k, v0=rng.standard_normal(dim), rng=rng)
            if _none_missed(lower, squares, vectors):
                return squares[::-1], vectors[:, ::-1]
        except ArpackError:
            pass  # no convergence, as without any spectral gap: the dense solver always converges
    squares, vectors = eigh(lower, subset_by_index=[dim - k, dim - 1])
    return squares[::-1], vectors[:, ::-1]


def _none_missed(lower: np.ndarray, squares: np.ndarray, vectors: np.ndarray) -> bool:
    """Whether no eigenvalue outside `squares` exceeds its smallest.

    Lanczos can silently miss copies of a multiple eigenvalue. With the found ones deflated, s I - G has a Cholesky
    factor if and only if every other eigenvalue lies below s.
    """
    roots = np.sqrt(np.maximum(squares, 0))
    rest = blas.dsyrk(1.0, vectors * roots, beta=-1.0, c=lower, lower=1)
    rest.ravel(order="K")[:: len(rest) + 1] += squares.min() + 1e-10 * squares.max()
    _, failed_at = lapack.dpotrf(rest, lower=1, clean=0, overwrite_a=1)
    return failed_at == 0


def _negligible(lower: np.ndarray, largest: float) -> float:
    """Eigenvalues up to here are rounding."""
    return len(lower) * np.finfo(np.float64).eps * max(largest, 0.0)


def _rank(lower: np.ndarray) -> int:
    squares = eigvalsh(lower)
    return int((squares > _negligible(lower, squares[-1])).sum())


def angles_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Principal angles of pairs of subspaces, by the sine where small and the cosine where large.

    As `scipy.linalg.subspace_angles` (Knyazev and Argentati, 2002), for any batch at once and in ascending order. With
    the two halves of each class this is the within-class baseline.

    Parameters
    ----------
    first, second : (..., D, k) orthonormal columns

    Returns
    -------
    (..., k) degrees, the smallest (theta_1) first
    """
    overlap = first.swapaxes(-1, -2) @ second  # (..., k, k)
    cosine = np.linalg.svd(overlap, compute_uv=False)
    sine = np.linalg.svd(second - first @ overlap, compute_uv=False)[..., ::-1]
    small = cosine**2 >= 0.5
    radians = np.where(small, np.arcsin(np.minimum(sine, 1)), np.arccos(np.minimum(cosine, 1)))
    return np.degrees(radians)


def principal_angles(bases: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Principal angles between all pairs of classes, in each layer.

    Parameters
    ----------
    bases : (L, classes, D, k) orthonormal columns

    Returns
    -------
    angles : (L, pairs, k) degrees, the smallest (theta_1) first
    pairs : (pairs, 2) indices of the classes, in the order (0, 1), (0, 2), ..., (1, 2), ...
    """
    classes = bases.shape[1]
    if classes < 2:
        raise ValueError(f"angles need 2 classes or more, got {classes}")
    # One class against all later ones at a time, so memory stays that of the bases.
    angles = [angles_between(bases[:, a : a + 1], bases[:, a + 1 :]) for a in range(classes - 1)]
    return np.concatenate(angles, axis=1), np.argwhere(np.triu(np.ones((classes, classes)), 1))


def random_subspace_angles(dim: int, k: int, draws: int, seed: int) -> np.ndarray:
    """Angles between two uniformly random k-dimensional subspaces of R^dim: what unrelated classes would show.

    Returns
    -------
    (draws, k) degrees; theta_1 is about 78 at dim = 768, k = 10
    """
    if not 1 <= k <= dim:
        raise ValueError(f"k = {k} dimensions asked of a space of {dim}")
    gauss = np.random.default_rng(seed).standard_normal((draws, 2, dim, k))
    basis = np.linalg.qr(gauss).Q
    return angles_between(basis[:, 0], basis[:, 1])
