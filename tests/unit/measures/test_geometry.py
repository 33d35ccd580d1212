"""Class subspaces against cases known on paper, plain numpy and scipy's SVD."""

import itertools

import numpy as np
import pytest
from scipy.linalg import subspace_angles, svd
from scipy.sparse.linalg import ArpackNoConvergence

from maescope.measures import geometry


def tokens(rng, rows=600, dim=96, mean=3.0):
    """Float32 rows with a decaying spectrum and a common mean, as ViT tokens have."""
    rotation = np.linalg.qr(rng.standard_normal((dim, dim))).Q
    rows = rng.standard_normal((rows, dim)) * np.arange(1.0, dim + 1) ** -0.7 @ rotation
    return (rows + mean * rotation[0]).astype(np.float32)


def by_svd(rows, k):
    return svd(rows.astype(np.float64), full_matrices=False)[2][:k].T


def eye(*columns, dim=5):
    return np.eye(dim)[:, list(columns)]


def with_spectrum(rng, squares):
    """A Gram matrix with these eigenvalues, and its eigenvectors."""
    dim = len(squares)
    vectors = np.linalg.qr(rng.standard_normal((dim, dim))).Q
    return geometry.Gram(np.asfortranarray(np.tril((vectors * squares) @ vectors.T)), np.zeros(dim), dim), vectors


# Gram matrices


@pytest.mark.parametrize("block", [1, 7, 49, 600])
def test_streamed_equals_at_once(block):
    rows = tokens(np.random.default_rng(0))
    gram = geometry.gram(rows[i : i + block] for i in range(0, len(rows), block))
    exact = rows.astype(np.float64)
    np.testing.assert_allclose(gram.lower, np.tril(exact.T @ exact), rtol=0, atol=1e-11 * gram.energy)
    np.testing.assert_allclose(gram.total, exact.sum(0), atol=1e-9)
    assert gram.count == 600
    assert gram.energy == pytest.approx((exact**2).sum(), rel=1e-13)


@pytest.mark.parametrize("centring", ["none", "class", "global"])
def test_centring_equals_plain_numpy(centring):
    rng = np.random.default_rng(1)
    classes = [tokens(rng, 100, 20, mean=1.0), tokens(rng, 300, 20, mean=5.0)]
    exact = [rows.astype(np.float64) for rows in classes]
    centre = {"none": [0, 0], "class": [x.mean(0) for x in exact], "global": [np.concatenate(exact).mean(0)] * 2}
    grams = [geometry.gram([rows]) for rows in classes]
    for gram, origin, x, c in zip(grams, geometry.origins(grams, centring), exact, centre[centring], strict=True):
        moved = geometry.centred(gram, origin)
        np.testing.assert_allclose(moved.lower, np.tril((x - c).T @ (x - c)), atol=1e-11 * gram.energy)
        np.testing.assert_allclose(moved.total, (x - c).sum(0), atol=1e-9)
        np.testing.assert_allclose(geometry.top_basis(moved, 3).values, svd(x - c)[1][:3], rtol=1e-9)


def test_unknown_centring_is_named():
    with pytest.raises(ValueError, match='"median"'):
        geometry.origins([geometry.Gram.zeros(2)], "median")


@pytest.mark.parametrize("block", [1, 2, 3, 9])
def test_halves_are_the_even_and_the_odd_images(block):
    images = tokens(np.random.default_rng(2), 9 * 4, 6).reshape(9, 4, 6)
    halves = geometry.half_grams(images[i : i + block] for i in range(0, 9, block))
    for half, start in zip(halves, (0, 1), strict=True):
        direct = geometry.gram([images[start::2].reshape(-1, 6)])
        np.testing.assert_allclose(half.lower, direct.lower, atol=1e-12)
        assert half.count == direct.count
    whole = geometry.gram([images.reshape(-1, 6)])
    both = halves[0] + halves[1]
    np.testing.assert_allclose(both.lower, whole.lower, atol=1e-12)
    np.testing.assert_allclose(both.total, whole.total, atol=1e-12)
    assert both.count == whole.count == 36


def test_no_tokens_and_one_image_are_refused():
    with pytest.raises(ValueError, match="0 blocks"):
        geometry.gram([])
    with pytest.raises(ValueError, match="2 images or more, got 1"):
        geometry.half_grams([np.ones((1, 4, 6))])


# Bases


@pytest.mark.parametrize(("dim", "k"), [(96, 10), (96, 90), (256, 10)])  # Lanczos and dense
def test_basis_equals_svd(dim, k):
    rows = tokens(np.random.default_rng(3), 400, dim)
    subspace = geometry.top_basis(geometry.gram([rows]), k)
    assert subspace.basis.shape == (dim, k)
    np.testing.assert_allclose(subspace.basis.T @ subspace.basis, np.eye(k), atol=1e-12)
    np.testing.assert_allclose(subspace.values, svd(rows.astype(np.float64))[1][:k], rtol=1e-7)
    assert subspace_angles(subspace.basis, by_svd(rows, k))[0] < 1e-7
    assert subspace.energy == pytest.approx((rows.astype(np.float64) ** 2).sum())


def test_basis_is_the_same_on_every_run():
    gram = geometry.gram([tokens(np.random.default_rng(4), 300, 128)])
    first, second = (geometry.top_basis(gram, 10) for _ in range(2))
    assert np.array_equal(first.basis, second.basis)


def test_copies_of_an_eigenvalue_are_not_missed():
    """Fifteen equal eigenvalues: Lanczos alone returns some of them and then small ones."""
    squares = np.r_[np.ones(15), np.arange(16.0, 201) ** -1.4]
    gram, vectors = with_spectrum(np.random.default_rng(5), squares)
    subspace = geometry.top_basis(gram, 10)
    np.testing.assert_allclose(subspace.values, 1, rtol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(vectors[:, :15].T @ subspace.basis, axis=0), 1, rtol=1e-12)


def misses_the_largest(squares, vectors):
    """An eigsh that returns the second to (k + 1)-th pair."""
    return lambda matrix, k, **_: (squares[k:0:-1], vectors[:, k:0:-1])


def does_not_converge(squares, vectors):
    def eigsh(matrix, k, **_):
        raise ArpackNoConvergence("", [], [])

    return eigsh


@pytest.mark.parametrize("fault", [misses_the_largest, does_not_converge])
def test_a_failing_lanczos_is_noticed(monkeypatch, fault):
    squares = 2.0 ** -np.arange(80)
    gram, vectors = with_spectrum(np.random.default_rng(12), squares)
    monkeypatch.setattr(geometry, "eigsh", fault(squares, vectors))
    np.testing.assert_allclose(geometry.top_basis(gram, 4).values ** 2, squares[:4], rtol=1e-12)


def test_certificate_sees_what_is_missing():
    gram, vectors = with_spectrum(np.random.default_rng(6), np.r_[5.0, 4, 3, 2, np.full(60, 0.1)])
    assert geometry._none_missed(gram.lower, np.array([3.0, 4, 5]), vectors[:, [2, 1, 0]])
    assert not geometry._none_missed(gram.lower, np.array([2.0, 4, 5]), vectors[:, [3, 1, 0]])


@pytest.mark.parametrize(("fraction", "k"), [(0.4, 1), (0.51, 2), (0.79, 2), (0.81, 3), (0.95, 4)])
def test_energy_fraction_is_reached_by_the_smallest_k(fraction, k):
    gram, _ = with_spectrum(np.random.default_rng(7), np.array([5.0, 3, 1.2, 0.8, 0, 0]))  # shares .5 .8 .92 1
    assert geometry.energy_rank(gram, fraction) == k
    subspace = geometry.top_basis(gram, fraction)
    np.testing.assert_allclose(subspace.values**2, [5, 3, 1.2, 0.8][:k])


@pytest.mark.parametrize("fraction", [0.0, 1.0, 1.5])
def test_energy_fraction_outside_0_to_1_is_refused(fraction):
    with pytest.raises(ValueError, match=f"{fraction}"):
        geometry.top_basis(geometry.gram([np.eye(3)]), fraction)


@pytest.mark.parametrize(("k", "message"), [(11, "k = 11 .* rank .*, 10$"), (60, "k = 60 .* 50 rows .* at most 50")])
@pytest.mark.parametrize("dim", [51, 200])
def test_k_above_the_rank_names_both(k, message, dim):
    rng = np.random.default_rng(8)
    rows = rng.standard_normal((50, 10)) @ rng.standard_normal((10, dim))  # rank 10
    gram = geometry.gram([rows])
    assert geometry.top_basis(gram, 10).basis.shape == (dim, 10)
    with pytest.raises(ValueError, match=message):
        geometry.top_basis(gram, k)


def test_k_of_0_and_rows_of_0_are_refused():
    with pytest.raises(ValueError, match="k = 0"):
        geometry.top_basis(geometry.gram([np.eye(3)]), 0)
    with pytest.raises(ValueError, match="rank of the rows, 0"):
        geometry.top_basis(geometry.gram([np.zeros((5, 20))]), 1)


# Angles


def test_spans_known_on_paper():
    """{e1, e2} and {e1, e3}: 0 and 90 degrees; {e1, e2} and {e3, e4}: 90 and 90."""
    bases = np.stack([eye(0, 1), eye(0, 2), eye(2, 3)])[None]
    angles, pairs = geometry.principal_angles(bases)
    assert pairs.tolist() == [[0, 1], [0, 2], [1, 2]]
    np.testing.assert_allclose(angles[0], [[0, 90], [90, 90], [0, 90]], atol=1e-12)


@pytest.mark.parametrize("radians", [1e-9, 1e-6, 1e-3, 0.7, np.pi / 4, 0.8, np.pi / 2 - 1e-6, np.pi / 2 - 1e-9])
def test_angle_is_kept_however_small_or_large(radians):
    """The arc cosine alone loses everything below 1e-8 rad; the arc sine alone does so near 90 degrees."""
    tilted = eye(0, 1)
    tilted[:, 1] = np.cos(radians) * np.eye(5)[1] + np.sin(radians) * np.eye(5)[2]
    angles = np.radians(geometry.angles_between(eye(0, 1), tilted))
    np.testing.assert_allclose(angles, [0, radians], rtol=0, atol=1e-15)


def test_angles_equal_scipy_on_svd_bases():
    """From tokens to angles, in float64, for several layers and classes."""
    rng = np.random.default_rng(9)
    layers, classes, k = 2, 4, 10
    data = [[tokens(rng, 400, 96) for _ in range(classes)] for _ in range(layers)]
    data[0][1] = data[0][0] + 1e-6 * data[0][1]  # nearly the same subspace
    bases = np.array([[geometry.top_basis(geometry.gram([x]), k).basis for x in layer] for layer in data])
    angles, pairs = geometry.principal_angles(bases)
    assert angles.shape == (layers, 6, k)
    for layer, (p, (a, b)) in itertools.product(range(layers), enumerate(pairs)):
        expected = subspace_angles(by_svd(data[layer][a], k), by_svd(data[layer][b], k))[::-1]
        np.testing.assert_allclose(np.radians(angles[layer, p]), expected, rtol=0, atol=1e-7)
    assert angles[0, 0].max() < 1e-3 < angles[1, 0].min()


def test_nearly_identical_subspaces():
    """A basis turned by known angles within float64 reach: 1e-6 rad to 1e-5 of a right angle."""
    rng = np.random.default_rng(10)
    space = np.linalg.qr(rng.standard_normal((100, 20))).Q
    theta = 1e-6 * np.arange(1, 11)
    turned = space[:, :10] * np.cos(theta) + space[:, 10:] * np.sin(theta)
    mixed = turned @ np.linalg.qr(rng.standard_normal((10, 10))).Q  # another basis of the same span
    np.testing.assert_allclose(np.radians(geometry.angles_between(space[:, :10], mixed)), theta, rtol=0, atol=1e-14)


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="2 classes or more, got 1"):
        geometry.principal_angles(np.zeros((1, 1, 5, 2)))


def test_split_halves_of_a_class_are_closer_than_two_classes():
    rng = np.random.default_rng(11)
    classes = [tokens(rng, 100 * 8, 32, mean=0.0).reshape(100, 8, 32) for _ in range(2)]
    halves = [[geometry.top_basis(g, 3).basis for g in geometry.half_grams([x])] for x in classes]
    halves = np.array(halves)  # (classes, 2, D, k)
    within = geometry.angles_between(halves[:, 0], halves[:, 1])
    between = geometry.angles_between(halves[0], halves[1])
    assert within.shape == (2, 3)
    assert within[:, 0].max() < between[:, 0].min() / 3


def test_random_subspaces_at_paper_size():
    """theta_1 of two random 10-dimensional subspaces of R^768 is about 78 degrees."""
    angles = geometry.random_subspace_angles(768, 10, draws=20, seed=0)
    assert angles.shape == (20, 10)
    assert (np.diff(angles, axis=1) >= 0).all()
    assert angles[:, 0].mean() == pytest.approx(78, abs=0.5)
    assert np.array_equal(angles, geometry.random_subspace_angles(768, 10, draws=20, seed=0))
    assert not np.array_equal(angles, geometry.random_subspace_angles(768, 10, draws=20, seed=1))


def test_random_subspaces_of_a_line_and_of_all():
    """On the plane a random line makes 45 degrees on average; two whole spaces none."""
    assert geometry.random_subspace_angles(2, 1, draws=4000, seed=0).mean() == pytest.approx(45, abs=1.5)
    np.testing.assert_allclose(geometry.random_subspace_angles(4, 4, draws=3, seed=0), 0, atol=1e-12)
    with pytest.raises(ValueError, match=r"k = 5 .* of 4"):
        geometry.random_subspace_angles(4, 5, draws=1, seed=0)
