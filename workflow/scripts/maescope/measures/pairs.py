"""All pairs of points once, block by block, for silhouettes and nearest neighbours: memory does not grow with pairs.

Points lie class by class. A block has whole classes, or a part of a class that alone is larger: so a mean distance to a
class is known when its block has passed, and no matrix (points, classes) is held. Many points are compared in float32,
where a product of matrices takes half the time; what that leaves open is decided in float64, pair by pair.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

BLOCK = 2048  # points a side, 16 MB in float32
FEW = 5000  # points up to which all of it is float64
NEAR = 1e-2  # of a point's squared norm: what is nearer than this is taken again in float64
ROOM = 16  # for neighbours beyond k, which rounding may put in the wrong order
ROWS = 256  # of all their distances at a time
SAMPLED = 2048  # points whose silhouettes tell how much each point does to those of others


class Block(NamedTuple):
    """Some points, and which classes they are of; `cut` where they are a part of one class."""

    points: slice
    classes: slice
    cut: bool


def blocks(sizes: np.ndarray) -> list[Block]:
    """Blocks of points that lie class by class, `sizes` (classes,) of each."""
    ends, found, first = np.concatenate([[0], np.cumsum(sizes)]), [], 0
    while first < len(sizes):
        last = max(first + 1, int(np.searchsorted(ends, ends[first] + BLOCK, side="right")) - 1)
        start, end = int(ends[first]), int(ends[last])
        parts = [slice(part, min(part + BLOCK, end)) for part in range(start, end, BLOCK)]
        found += [Block(part, slice(first, last), len(parts) > 1) for part in parts]
        first = last
    return found


def numbers(points: np.ndarray) -> np.ndarray:
    """(n,) the same number for points (n, D) that are equal, from 0 on in the order they come in."""
    known: dict[bytes, int] = {}
    return np.array([known.setdefault((point + 0.0).tobytes(), len(known)) for point in points])  # -0.0 is 0.0


class Squares:
    """Squared distances of points (n, D) in an `order` (n,), 0 of equal ones; in units in which none overflows."""

    def __init__(self, points: np.ndarray, order: np.ndarray):
        self.points, self.order = points, order
        self.dtype = np.dtype(np.float64 if len(points) <= FEW else np.float32)
        self.middle = points.mean(axis=0, dtype=np.float64)
        self.scale = 2.0 ** -np.frexp(float(max(points.max(), -points.min())))[1]  # the largest number is below 1
        numbered = numbers(points)
        self.repeated, self.number = numbered.max() + 1 < len(points), numbered[order]
        # |x - y|^2 as one product, of (-2 x, |x|^2, 1) and (y, 1, |y|^2)
        self.right = np.empty((len(points), points.shape[1] + 2), self.dtype)
        self.norms = np.empty(len(points))  # squared
        for start in range(0, len(points), BLOCK):
            rows = slice(start, start + BLOCK)
            self.right[rows], self.norms[rows] = self._right(rows, self.dtype)

    def _right(self, rows: slice, dtype) -> tuple[np.ndarray, np.ndarray]:
        """(y, 1, |y|^2) of some points, moved to their middle, where least is lost to rounding; and |y|^2."""
        own = (self.scale * (self.points[self.order[rows]] - self.middle)).astype(dtype)
        norms = (own.astype(np.float64) ** 2).sum(axis=1)
        return np.column_stack([own, np.ones_like(norms), norms]).astype(dtype, copy=False), norms

    def between(self, rows: slice | np.ndarray, others: slice) -> np.ndarray:
        """(rows, others)"""
        same = None
        if self.repeated or isinstance(rows, np.ndarray) or rows == others:
            same = self.number[rows, None] == self.number[others]
        squares = _product(self.right[rows], self.right[others])
        if same is not None:
            squares[same] = np.inf
        near = (squares.min(axis=1) < NEAR * self.norms[rows]).any()
        if near and self.dtype == np.float32:
            squares = _product(*(self._right(part, np.float64)[0] for part in (rows, others)))
        if near:
            np.maximum(squares, 0, out=squares)
        if same is not None:
            squares[same] = 0
        return squares

    def rounding(self, squares: np.ndarray) -> np.ndarray:
        """(m,) how far off squared distances can be, to what is at most `squares` (m,) away from the first m points."""
        norms, eps = self.norms[: len(squares)], np.finfo(self.dtype).eps
        farthest = np.sqrt(norms) + np.sqrt(squares)  # how long another point may be
        terms = (self.right.shape[1] + 8) * (norms + farthest**2)
        again = squares + eps * terms < 0.9 * NEAR * norms  # in float64, by `between`, from either side; held in dtype
        return np.where(again, np.finfo(np.float64).eps * terms + eps * squares, eps * terms)


def _product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Squared distances from (x, 1, |x|^2) of both sides: (rows, D + 2), (others, D + 2) -> (rows, others)."""
    turned = np.concatenate([-2 * left[:, :-2], left[:, :-3:-1]], axis=1)
    return turned @ right.T


class Silhouettes:
    """Mean distance of each point to its own class, and to the nearest other one (Rousseeuw 1987).

    Parameters
    ----------
    own : (n,) class of each point, in ascending order
    sizes : (classes,) 2 or more each
    """

    def __init__(self, own: np.ndarray, sizes: np.ndarray):
        self.own, self.sizes = own, sizes
        self.inside, self.outside = np.zeros(len(own)), np.full(len(own), np.inf)
        self.nearest = np.zeros(len(own), int)  # the class that `outside` is of
        self.cut: dict[int, np.ndarray] = {}  # class that several blocks have -> sums of distances to it (n,)

    def see(self, rows: slice, block: Block, distances: np.ndarray, axis: int) -> None:
        """Distances of rows along an axis (0 or 1) to the points of a block along the other one."""
        if block.cut:
            sums = distances.sum(axis=1 - axis, dtype=np.float64)
            self.cut.setdefault(block.classes.start, np.zeros(len(self.own)))[rows] += sums
            return
        classes = np.arange(block.classes.start, block.classes.stop)
        if axis == 0:
            sums = np.add.reduceat(distances, np.searchsorted(self.own[block.points], classes), axis=1)
        else:  # as a product: numpy adds up rows slowly
            sums = ((self.own[block.points] == classes[:, None]).astype(distances.dtype) @ distances).T
        self._take(rows, block.classes, sums.astype(np.float64))  # (rows, classes)

    def _take(self, rows: slice, classes: slice, sums: np.ndarray) -> None:
        own = self.own[rows] - classes.start
        inside = np.flatnonzero((own >= 0) & (own < sums.shape[1]))
        at_home = inside, own[inside]
        self.inside[rows][inside] = sums[at_home] / (self.sizes[self.own[rows][inside]] - 1)
        means = sums / self.sizes[classes]
        means[at_home] = np.inf
        lowest = means.argmin(axis=1)
        mean = means[np.arange(len(means)), lowest]
        self.nearest[rows] = np.where(mean < self.outside[rows], classes.start + lowest, self.nearest[rows])
        self.outside[rows] = np.minimum(self.outside[rows], mean)

    def values(self) -> np.ndarray:
        """(n,) the silhouette of each point, in [-1, 1]; once all pairs were seen."""
        for number, sums in self.cut.items():
            self._take(slice(None), slice(number, number + 1), sums[:, None])
        larger = np.maximum(self.inside, self.outside)
        apart = self.outside - self.inside
        return np.divide(apart, larger, out=np.zeros_like(apart), where=larger > 0)

    def draws(self, squares: Squares) -> np.ndarray:
        """(n,) by how much n times the mean silhouette grows with the weight of each point, once `values` were taken.

        A point counts by its own silhouette, and by what it does to those of others: as one of their class, and as one
        of the class that is nearest to them. Its deviation from the mean of its class is its influence (Hampel 1974),
        whose variance over draws is that of the mean silhouette. Of many points every so many stand for the others.
        """
        inside, outside, values = self.inside, self.outside, self.values()
        step = -(-len(values) // SAMPLED)
        below = inside < outside
        larger = np.maximum(inside, outside)
        larger = np.where(larger > 0, larger, np.inf)
        ratio = np.minimum(inside, outside) / larger
        by_inside, by_outside = -np.where(below, 1, ratio) / larger, np.where(below, ratio, 1) / larger
        counted = np.bincount(self.own[::step], minlength=len(self.sizes))
        found = by_inside * inside / (self.sizes[self.own] - 1)  # a point is not among the others of its class
        for start in range(0, len(values), BLOCK * step):
            rows = np.arange(start, min(start + BLOCK * step, len(values)), step)
            own, near = self.own[rows], self.nearest[rows]
            weights = np.zeros((len(rows), len(self.sizes)), squares.dtype)
            times = self.sizes[own] / counted[own]  # points that each stands for
            weights[np.arange(len(rows)), own] = times * by_inside[rows] / (self.sizes[own] - 1)
            weights[np.arange(len(rows)), near] = times * by_outside[rows] / self.sizes[near]
            for first in range(0, len(values), BLOCK):
                others = slice(first, min(first + BLOCK, len(values)))
                apart = np.sqrt(squares.between(rows, others))
                classes, starts = np.unique(self.own[others], return_index=True)
                for label, start_of, end in zip(classes, starts, [*starts[1:], len(apart.T)], strict=True):
                    found[first + start_of : first + end] += weights[:, label] @ apart[:, start_of:end]
        return values + found - (np.bincount(self.own, found) / self.sizes)[self.own]


class Neighbours:
    """The nearest others of each point, none of its own group: `k` of them and room for more.

    Parameters
    ----------
    groups : (n,) of each point
    looking : how many of the points look for neighbours; if not all, the first ones among the others
    """

    def __init__(self, groups: np.ndarray, k: int, dtype, looking: int | None = None):
        self.groups, self.k, self.looking = np.unique(groups, return_inverse=True)[1], k, looking or len(groups)
        self.alone = self.groups.max() + 1 == len(groups)
        self.width = min(k + ROOM, len(groups))
        self.squares = np.full((self.looking, self.width), np.inf, dtype)
        self.others = np.zeros((self.looking, self.width), np.int32)
        self.limits = np.full(self.looking, np.inf, dtype)  # the farthest that is held

    def see(self, points: slice, others: slice, squares: np.ndarray, axis: int) -> None:
        """Squared distances of `points` along an axis (0 or 1) to `others` along the other one."""
        across = 1 - axis
        if not self.alone or points == others:
            own, their = self.groups[points], self.groups[others]
            squares = np.where(np.expand_dims(own, across) == np.expand_dims(their, axis), np.inf, squares)
        limits = self.limits[points]
        if np.isinf(limits).any() and squares.shape[across] >= self.width:  # the first time: no more than are held
            nearest = np.partition(squares, self.width - 1, axis=across).take(self.width - 1, axis=across)
            limits = np.minimum(limits, np.nextafter(nearest, np.inf))
        hits = np.unravel_index(np.flatnonzero(squares < np.expand_dims(limits, across)), squares.shape)
        if len(hits[0]):
            self._take(points.start, others.start, hits[axis], hits[across], squares[hits])

    def _take(self, first: int, first_other: int, points: np.ndarray, others: np.ndarray, squares: np.ndarray) -> None:
        """Hold what is nearer than what is held: numbers within blocks (hits,), and squared distances."""
        order = np.argsort(points, kind="stable")
        hit, starts, counts = np.unique(points[order], return_index=True, return_counts=True)
        row = np.repeat(np.arange(len(hit)), counts)
        column = self.width + np.arange(len(order)) - np.repeat(starts, counts)
        shape = (len(hit), self.width + counts.max())
        all_squares, all_others = np.full(shape, np.inf, self.squares.dtype), np.zeros(shape, np.int32)
        hit += first
        all_squares[:, : self.width], all_others[:, : self.width] = self.squares[hit], self.others[hit]
        all_squares[row, column], all_others[row, column] = squares[order], first_other + others[order]
        kept = np.argpartition(all_squares, self.width - 1, axis=1)[:, : self.width]
        self.squares[hit] = np.take_along_axis(all_squares, kept, axis=1)
        self.others[hit] = np.take_along_axis(all_others, kept, axis=1)
        self.limits[hit] = self.squares[hit].max(axis=1)

    def nearest(self, squares: Squares) -> np.ndarray:
        """(looking, k) the nearest others, by their place in `squares.points`; of equally near the lower.

        What rounding leaves open is decided by differences in float64: among those that are held or, where these may
        not be all, among all points.
        """
        kth = np.partition(self.squares, self.k - 1, axis=1)[:, self.k - 1].astype(np.float64)
        within = self.squares <= (kth + 2 * squares.rounding(kth))[:, None]
        order, points = squares.order, squares.points
        found = order[np.take_along_axis(self.others, np.argpartition(self.squares, self.k - 1, axis=1), axis=1)]
        found = found[:, : self.k]
        for row in np.flatnonzero((within.sum(axis=1) > self.k) & ~within.all(axis=1)):
            near = order[self.others[row, within[row]]]
            apart = ((points[near].astype(np.float64) - points[order[row]]) ** 2).sum(axis=1)
            found[row] = near[np.lexsort((near, apart))[: self.k]]
        crowded = np.flatnonzero(within.all(axis=1))
        back, own = np.argsort(order), order[: self.looking]
        for rows in (crowded[start : start + ROWS] for start in range(0, len(crowded), ROWS)):
            apart = all_squares(points, squares.number[back], order[rows])
            apart[self.groups[rows, None] == self.groups[back]] = np.inf
            if self.looking < len(order):
                apart[:, own] = np.inf
            found[rows] = np.argsort(~_smallest(apart, self.k), axis=1, kind="stable")[:, : self.k]
        return found[np.argsort(own)]


def all_squares(points: np.ndarray, number: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Squared distances (rows, n) of some points to all, as sums of squared differences in float64.

    Parameters
    ----------
    points : (n, D)
    number : (n,) the same for equal points, which count once
    """
    _, first, place = np.unique(number, return_index=True, return_inverse=True)
    own, again = np.unique(place[rows], return_inverse=True)
    found = np.empty((len(own), len(first)))
    for start in range(0, len(first), BLOCK):
        part = points[first[start : start + BLOCK]].astype(np.float64)
        for row, kind in enumerate(own):
            found[row, start : start + BLOCK] = ((part - points[first[kind]]) ** 2).sum(axis=1)
    return found[again][:, place]


def _smallest(values: np.ndarray, k: int) -> np.ndarray:
    """(rows, n) bool: the k smallest of each row, of equal ones the lower index."""
    farthest = np.partition(values, k - 1, axis=1)[:, k - 1 : k]
    smallest = values <= farthest
    tied = np.flatnonzero(smallest.sum(axis=1) > k)  # more than k are as small as the k-th
    equal = values[tied] == farthest[tied]
    room = k - (values[tied] < farthest[tied]).sum(axis=1, keepdims=True)
    smallest[tied] &= ~equal | (equal.cumsum(axis=1) <= room)
    return smallest


class Compared(NamedTuple):
    """What all pairs of points say.

    silhouettes : (n,)
    nearest : (n, k) the nearest others of each, none of its own group
    draws : gives (n,), what the mean silhouette is the mean of over draws of points (`Silhouettes.draws`)
    """

    silhouettes: np.ndarray
    nearest: np.ndarray
    draws: Callable[[], np.ndarray]


def compared(points: np.ndarray, own: np.ndarray, groups: np.ndarray, k: int) -> Compared:
    """Silhouettes of points (n, D) and their nearest others.

    Parameters
    ----------
    own : (n,) class of each, from 0 on, each with 2 points or more
    groups : (n,) of each
    """
    order = np.argsort(own, kind="stable")
    squares, sizes = Squares(points, order), np.bincount(own)
    silhouettes, neighbours = Silhouettes(own[order], sizes), Neighbours(groups[order], k, squares.dtype)
    for one, other in _pairs(blocks(sizes)):
        apart = squares.between(one.points, other.points)
        neighbours.see(one.points, other.points, apart, axis=0)
        if one is not other:
            neighbours.see(other.points, one.points, apart, axis=1)
        np.sqrt(apart, out=apart)
        silhouettes.see(one.points, other, apart, axis=0)
        if one is not other:
            silhouettes.see(other.points, one, apart, axis=1)
    back = np.argsort(order)
    values = silhouettes.values()[back]
    return Compared(values, neighbours.nearest(squares), lambda: silhouettes.draws(squares)[back])


def voters(points: np.ndarray, others: np.ndarray, k: int) -> np.ndarray:
    """The k nearest of `others` (m, D) to each of points (n, D), by their place in `others`: (n, k)."""
    both = np.concatenate([points, others])
    squares = Squares(both, np.arange(len(both)))
    neighbours = Neighbours(np.arange(len(both)), k, squares.dtype, looking=len(points))
    for start in range(0, len(points), BLOCK):
        rows = slice(start, min(start + BLOCK, len(points)))
        for first in range(len(points), len(both), BLOCK):
            theirs = slice(first, min(first + BLOCK, len(both)))
            neighbours.see(rows, theirs, squares.between(rows, theirs), axis=0)
    return neighbours.nearest(squares) - len(points)


def _pairs(found: list[Block]) -> Iterator[tuple[Block, Block]]:
    """Each two blocks once; first each with itself, where neighbours are near and leave little to look at later."""
    yield from ((block, block) for block in found)
    yield from ((one, other) for number, one in enumerate(found) for other in found[number + 1 :])
