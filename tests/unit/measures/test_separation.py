"""Separation of classes against scikit-learn and cases known on paper."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from maescope.measures import pairs, separation


def silhouette(points, labels):
    return separation.separation(points, labels, np.arange(len(points)), 1)[0]


def knn(points, labels, groups, k):
    return separation.separation(points, labels, groups, k)[1]


def blobs(rng, gap, images=10, tokens=4, dim=16):
    """Three classes of float32 tokens around centres `gap` apart, with label and image of each."""
    labels = np.repeat(["a", "b", "c"], images * tokens)
    groups = np.repeat(np.arange(3 * images), tokens)
    centres = np.repeat(gap * np.eye(3, dim), images * tokens, axis=0)
    return (centres + rng.standard_normal(centres.shape)).astype(np.float32), labels, groups


def plain_silhouette(points, labels):
    """Point by point (Rousseeuw 1987), with distances of differences."""
    apart = np.sqrt(((points[:, None].astype(np.float64) - points) ** 2).sum(2))
    scores = []
    for i, label in enumerate(labels):
        inside = apart[i][labels == label].sum() / ((labels == label).sum() - 1)
        outside = min(apart[i][labels == other].mean() for other in set(labels.tolist()) - {label})
        scores.append((outside - inside) / max(outside, inside) if max(outside, inside) else 0)
    return np.mean(scores)


def plain_knn(points, labels, groups, k):
    """Point by point, sorted by distance and then index, votes and then class."""
    apart = ((points[:, None].astype(np.float64) - points) ** 2).sum(2)
    correct = 0
    for i in range(len(points)):
        others = [j for j in np.argsort(apart[i], kind="stable") if groups[j] != groups[i]][:k]
        classes, votes = np.unique(labels[others], return_counts=True)
        correct += classes[votes.argmax()] == labels[i]
    return correct / len(points)


@pytest.mark.parametrize("gap", [0, 1, 10])
def test_silhouette_equals_plain_loops(gap):
    points, labels, _ = blobs(np.random.default_rng(1), gap)
    points, labels = points[5:], labels[5:]  # classes of unequal size
    assert silhouette(points, labels) == pytest.approx(plain_silhouette(points, labels), abs=1e-12)


def test_silhouette_of_many_equal_points_equals_plain_loops():
    rng = np.random.default_rng(2)
    points, labels = rng.integers(0, 2, (60, 3)), np.repeat([0, 1, 2], [2, 18, 40])
    points[labels == 0] = 0  # a class without any extent
    assert silhouette(points, labels) == pytest.approx(plain_silhouette(points, labels), abs=1e-12)


def test_silhouette_known_on_paper():
    """Pairs 1 apart and 4 to 6 away: the outer two score 1 - 1 / 5.5, the inner two 1 - 1 / 4.5."""
    found = silhouette(np.array([[0.0], [1], [5], [6]]), np.array([0, 0, 1, 1]))
    assert found == pytest.approx(1 - (1 / 5.5 + 1 / 4.5) / 2)
    assert silhouette(np.zeros((4, 4)), np.array([0, 0, 1, 1])) == 0


@pytest.mark.parametrize("dim", [3, 192, 768])
@pytest.mark.parametrize("scale", [1e-3, 1, 1e4])
def test_silhouette_of_points_that_are_all_equal_is_0(dim, scale):
    """Not that of the rounding of a product of matrices."""
    points = np.tile(scale * np.random.default_rng(7).standard_normal(dim).astype(np.float32), (50, 1))
    assert silhouette(points, np.arange(50) % 5) == 0


@pytest.mark.parametrize("noise", [0, 1e-8])
def test_a_layer_that_says_the_same_of_all_images_separates_nothing(noise):
    """Of 40 images in classes of 30 and 10, all equal: silhouette 0, a probe that can but name the larger class."""
    points = (5 + noise * np.random.default_rng(9).standard_normal((40, 24))).astype(np.float64)
    labels, groups = np.repeat(["a", "b"], [30, 10]), np.arange(40)
    found = separation.measure(points, labels, groups, neighbours=5, folds=5, seed=0)
    assert found["silhouette"] == 0
    assert found["knn_accuracy"] == plain_knn(np.zeros((40, 1)), labels, groups, 5)
    assert found["probe_accuracy"] == found["chance"] == 0.75


@pytest.mark.parametrize("k", [1, 4, 15])
def test_knn_equals_scikit_learn_without_the_own_image(k):
    points, labels, groups = blobs(np.random.default_rng(2), 1.5)
    correct = []
    for image in np.unique(groups):
        own = groups == image
        judge = KNeighborsClassifier(k, algorithm="brute").fit(points[~own].astype(np.float64), labels[~own])
        correct.extend(judge.predict(points[own].astype(np.float64)) == labels[own])
    assert knn(points, labels, groups, k) == pytest.approx(np.mean(correct))
    assert 0.4 < np.mean(correct) < 1


@pytest.mark.parametrize("k", [1, 2, 5, 8])
def test_knn_ties_equal_plain_loops(k):
    """Points on a small integer grid: most distances are tied, many are 0; more rows than a block has."""
    rng = np.random.default_rng(3)
    points = rng.integers(0, 3, (pairs.ROWS + 44, 2))
    labels = rng.integers(0, 3, len(points))
    groups = np.arange(len(points)) // 2
    assert knn(points, labels, groups, k) == plain_knn(points, labels, groups, k)


def test_own_image_does_not_vote():
    """Tokens of an image lie together, far from all others, and nearest to the other class."""
    points = np.array([[0.0], [0.1], [1], [1.1], [10], [10.1], [11], [11.1]])
    groups = np.repeat([0, 1, 2, 3], 2)
    labels = np.repeat(["a", "b", "a", "b"], 2)
    assert knn(points, labels, groups, 1) == 0
    assert knn(points, labels, np.arange(8), 1) == 1


def test_separated_blobs_are_perfect_and_random_labels_near_chance():
    rng = np.random.default_rng(4)
    points, labels, groups = blobs(rng, 50)
    silhouette, accuracy = separation.separation(points, labels, groups, 5)
    assert accuracy == 1 and silhouette > 0.8
    assert separation.linear_probe_accuracy(points, labels, groups, folds=5, seed=0) == 1
    points = rng.standard_normal((600, 8))
    labels, groups = rng.integers(0, 3, 600), np.arange(600)
    silhouette, accuracy = separation.separation(points, labels, groups, 5)
    chance = separation.chance_level(labels)
    assert abs(silhouette) < 0.02
    assert accuracy == pytest.approx(chance, abs=0.08)  # 4 standard errors
    assert separation.linear_probe_accuracy(points, labels, groups, folds=5, seed=0) == pytest.approx(chance, abs=0.08)


def test_linear_probe_never_trains_on_the_judged_image():
    """Images differ strongly, labels are drawn by image: tokens of the judged image in training would give it away."""
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(60), 10)
    labels = rng.permutation(np.arange(60) % 2)[groups]
    points = (10 * rng.standard_normal((60, 100)))[groups] + rng.standard_normal((600, 100))
    assert separation.linear_probe_accuracy(points, labels, np.arange(600), folds=5, seed=0) > 0.95
    assert separation.linear_probe_accuracy(points, labels, groups, folds=5, seed=0) < 0.75


def test_linear_probe_follows_the_seed():
    points, labels, groups = blobs(np.random.default_rng(6), 0.7)
    accuracy = [separation.linear_probe_accuracy(points, labels, groups, folds=3, seed=s) for s in (0, 0, 1, 2)]
    assert accuracy[0] == accuracy[1]
    assert len(set(accuracy)) > 1


def test_chance_level():
    assert separation.chance_level(np.array(["a", "b", "c", "d"])) == 0.25
    assert separation.chance_level(np.array([0, 0, 0, 1])) == 0.75


def test_errors_name_the_numbers():
    points, two, images = np.zeros((6, 6)), np.array([0, 0, 0, 0, 1, 1]), np.arange(6)
    with pytest.raises(ValueError, match="2 classes or more, but the 6 points have 1"):
        separation.separation(points, np.zeros(6), images, 1)
    with pytest.raises(ValueError, match="2 images or more, but class 1 has 1"):
        separation.separation(points, two, np.array([0, 1, 2, 3, 4, 4]), 1)
    with pytest.raises(ValueError, match=r"k = 5 .* below the 5 "):
        separation.separation(points, two, images, 5)
    with pytest.raises(ValueError, match=r"k = 4 .* below the 4 "):
        separation.separation(points, two, np.array([0, 0, 1, 2, 3, 4]), 4)
    with pytest.raises(ValueError, match=r"3 folds .* class 1 has 2"):
        separation.linear_probe_accuracy(points, two, images, folds=3, seed=0)


def test_measure_is_all_of_them_with_chance():
    points, labels, groups = blobs(np.random.default_rng(6), 3)
    found = separation.measure(points, labels, groups, neighbours=5, folds=5, seed=0)
    assert (found["silhouette"], found["knn_accuracy"]) == separation.separation(points, labels, groups, 5)
    assert found["probe_accuracy"] == separation.linear_probe_accuracy(points, labels, groups, 5, 0)
    assert (found["chance"], found["classes"], found["images"]) == (pytest.approx(1 / 3), 3, 30)


def test_other_images_vote_as_in_scikit_learn():
    """By k-NN and by a probe that learns of them alone, whatever is nearer among the points themselves."""
    (points, labels, _), (others, theirs, _) = blobs(np.random.default_rng(10), 3), blobs(np.random.default_rng(11), 3)
    theirs = np.where(theirs == "c", "b", theirs)  # nobody votes for c
    found = separation.judged_by(others, theirs, points, labels, 5)
    judge = KNeighborsClassifier(5, algorithm="brute").fit(others.astype(np.float64), theirs)
    assert found["knn_reference"] == np.mean(judge.predict(points.astype(np.float64)) == labels)
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(others, theirs)
    assert found["probe_reference"] == np.mean(probe.predict(points) == labels)
    assert 0.4 < found["knn_reference"] < 2 / 3 and 0.4 < found["probe_reference"] < 2 / 3
    with pytest.raises(ValueError, match="k = 5 neighbours, but there are 4 points that vote"):
        separation.judged_by(others[:4], theirs[:4], points, labels, 5)


def test_as_many_may_vote_as_there_are():
    points = np.array([[0.0], [4], [10]])
    votes = np.array(["a", "a", "b", "b", "b"])
    found = separation.judged_by(np.array([[0.0], [1], [9], [11], [12]]), votes, points, np.array(["b", "b", "b"]), 5)
    assert found["knn_reference"] == 1
    found = separation.judged_by(np.array([[0.0], [1], [9], [11], [12]]), votes, points, np.array(["a", "a", "b"]), 2)
    assert found["knn_reference"] == 1


def test_rounding_that_goes_with_the_class_tells_nothing_to_those_that_vote():
    """As where labels lie in batches of different sizes; all points being equal, the first five vote, and the most."""
    names = np.repeat(["a", "b"], [10, 30])
    points = 5 + np.where(names == "a", 0, 1e-8)[:, None] * np.ones(24)
    found = separation.judged_by(points, names, points, names, 5)
    assert found == {"knn_reference": 0.25, "probe_reference": 0.75}


def test_standard_errors_known_on_paper():
    """Class a: images 0 and 2, so variance 2; class b: 1 and 1. Mean of 4: error sqrt(2 * 2) / 4 = 0.5."""
    labels = np.array(["a", "a", "b", "b"])
    assert separation.standard_error(np.array([0.0, 2, 1, 1]), labels, np.arange(4)) == pytest.approx(0.5)
    three = np.repeat(labels, 3), np.repeat(np.arange(4), 3)  # three equal points of each image are one draw
    assert separation.standard_error(np.repeat([0.0, 2, 1, 1], 3), *three) == pytest.approx(0.5)


def test_standard_errors_are_those_of_drawing_images_again():
    """Of each class as many images as it has, all points of each, 4000 times; which is sqrt((n - 1) / n) too small."""
    rng = np.random.default_rng(3)
    points, labels, groups = blobs(rng, 1)
    points += 2 * rng.standard_normal((30, 16))[groups]  # tokens of an image are alike
    values = separation.judged(points, labels, groups, 3)[0].silhouettes
    images = values.reshape(3, 10, 4)  # classes, images, tokens
    drawn = [images[c, rng.integers(10, size=(4000, 10))] for c in range(3)]  # (4000, 10, 4) each
    means = np.concatenate(drawn, axis=1).mean(axis=(1, 2))
    error = separation.standard_error(values, labels, groups)
    assert error == pytest.approx(means.std() * np.sqrt(10 / 9), rel=0.04)
    alone = np.sqrt(np.var(values.reshape(3, 40), axis=1, ddof=1).sum() * 40) / 120
    assert error > 1.2 * alone  # what it would be if they were draws


def test_all_three_measures_have_the_error_of_their_own_points():
    points, labels, groups = blobs(np.random.default_rng(4), 1)
    found = separation.measure(points, labels, groups, neighbours=3, folds=5, seed=0)
    found_by_pairs, near = separation.judged(points, labels, groups, 3)
    learnt = separation.probed(points, labels, groups, 5, 0)
    for name, values in (("silhouette", found_by_pairs.draws()), ("knn", near), ("probe", learnt)):
        sums = np.asarray(values, float).reshape(3, 10, 4).sum(axis=2)
        assert found[f"{name}_error"] == pytest.approx(np.sqrt(10 * sums.var(axis=1, ddof=1).sum()) / 120), name
    assert found["knn_accuracy"] == near.mean() and found["probe_accuracy"] == learnt.mean()


@pytest.mark.parametrize(("gap", "images"), [(1.5, 30), (3.0, 20)])
def test_the_error_of_a_silhouette_is_how_much_it_varies_over_draws(gap, images):
    """200 draws of three classes: the silhouettes of images depend on each other, and without that it is half of it."""
    rng, labels = np.random.default_rng(5), np.repeat([0, 1, 2], images)
    groups, rows = np.arange(len(labels)), []
    for _ in range(200):
        points = (gap * np.eye(3, 16)[labels] + rng.standard_normal((len(labels), 16))).astype(np.float32)
        found = separation.judged(points, labels, groups, 5)[0]
        alone = separation.standard_error(found.silhouettes, labels, groups)
        rows.append((found.silhouettes.mean(), separation.standard_error(found.draws(), labels, groups), alone))
    means, errors, alone = np.array(rows).T
    assert errors.mean() == pytest.approx(means.std(ddof=1), rel=0.15)
    assert alone.mean() < 0.75 * means.std(ddof=1)
