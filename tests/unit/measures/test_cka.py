"""Linear CKA: known cases, and matrices of images written out as the sources have them."""

import numpy as np
import pytest

from maescope.base.errors import InputError
from maescope.measures import cka as module
from maescope.measures.cka import cka, of_clean, of_perturbed, prepare, prepared, table

N = 23


def features(seed, width, images=N):
    return np.random.default_rng(seed).normal(size=(images, width))


def compare(a, b):
    return cka(prepare(a), prepare(b))


def by_kernels(a, b):
    """CKA from centred Gram matrices (Kornblith et al. 2019, eqs. 3 and 4)."""
    centre = np.eye(len(a)) - 1 / len(a)

    def hsic(x, y):
        return np.trace(x @ x.T @ centre @ y @ y.T @ centre)

    return hsic(a, b) / np.sqrt(hsic(a, a) * hsic(b, b))


def by_u_centring(a, b):
    """Debiased CKA from U-centred Gram matrices (Szekely and Rizzo 2014), in plain loops."""

    def centred(x):
        k, n = x @ x.T, len(x)
        np.fill_diagonal(k, 0)
        out = np.zeros_like(k)
        for i in range(n):
            for j in range(n):
                if i != j:
                    out[i, j] = k[i, j] - k[i].sum() / (n - 2) - k[:, j].sum() / (n - 2)
                    out[i, j] += k.sum() / ((n - 1) * (n - 2))
        return out

    def hsic(x, y):
        return (centred(x) * centred(y)).sum()

    return hsic(a, b) / np.sqrt(hsic(a, a) * hsic(b, b))


@pytest.mark.parametrize(("first", "second"), [(4, 4), (3, 9), (30, 7), (40, 50)])
def test_both_estimates_equal_those_of_the_sources(first, second):
    a, b = features(1, first) + 3, features(2, second)
    b[:, :3] += a[:, :3]
    plain, debiased = compare(a, b)
    assert plain == pytest.approx(by_kernels(a, b), abs=1e-10)
    assert debiased == pytest.approx(by_u_centring(a, b), abs=1e-10)


def test_a_representation_is_wholly_like_itself_turned_scaled_and_moved():
    a = features(3, 6)
    turned = np.linalg.qr(features(4, 6, 6))[0]
    assert compare(a, 2.5 * a @ turned + 7) == pytest.approx((1, 1), abs=1e-12)


def test_features_without_anything_in_common_have_none():
    """Two dimensions of a balanced design are orthogonal: images (x, y) in {-1, 1}^2, x against y."""
    design = np.array([[x, y] for x in (-1.0, 1.0) for y in (-1.0, 1.0)] * 3)
    assert compare(design[:, :1], design[:, 1:])[0] == pytest.approx(0, abs=1e-15)
    # of (x, y) x is one of two dimensions of equal weight: 1 / (1 sqrt(2))
    assert compare(design, design[:, :1])[0] == pytest.approx(1 / np.sqrt(2))


def test_noise_is_alike_in_the_plain_estimate_only():
    found = [compare(features(2 * seed, 40), features(2 * seed + 1, 40)) for seed in range(200)]
    plain, debiased = np.mean(found, axis=0)
    assert plain > 0.5
    assert abs(debiased) < 0.01


@pytest.mark.parametrize("images", range(4, 13))
@pytest.mark.parametrize("scale", [0.1, 1, 30])
def test_a_few_wide_features_have_no_debiased_estimate(images, scale):
    """Images at right angles to each other: off the diagonal nothing is left to compare."""
    plain, debiased = compare(scale * np.eye(images), scale * np.eye(images))
    assert plain == pytest.approx(1)
    assert np.isnan(debiased)


@pytest.mark.parametrize(("wrong", "words"), [(features(0, 3, 3), "3 images"), (np.ones((8, 2)), "same features")])
def test_what_cannot_be_compared_is_refused(wrong, words):
    with pytest.raises(InputError, match=words):
        prepare(wrong)


def test_a_layer_is_compared_with_each_of_the_others_and_with_what_chance_gives():
    generator, a, b = np.random.default_rng(6), features(5, 3), features(7, 8)
    found = table(a, {2: prepare(a), 7: prepare(b)}).set_index("other_layer")
    assert found.loc[2, ["cka", "debiased"]].tolist() == pytest.approx([1, 1])
    assert found.loc[7, "cka"] == pytest.approx(by_kernels(a, b))
    drawn = [by_kernels(a[generator.permutation(N)], b) for _ in range(3000)]
    assert found.loc[7, "shuffled"] == pytest.approx(np.mean(drawn), rel=0.02)


@pytest.mark.parametrize("noise", [0, 1e-8])
def test_of_a_layer_that_says_the_same_of_all_images_nothing_is_said_and_of_the_others_all(noise):
    a, same = features(5, 3), 7 + noise * features(9, 4)
    assert prepared(same) is None
    found = table(a, {1: prepared(same), 2: prepared(a)}).set_index("other_layer")
    assert found.loc[1].isna().all() and list(found) == ["cka", "debiased", "shuffled"]
    assert found.loc[2, "cka"] == pytest.approx(1)
    assert table(same, {2: prepared(a)})["cka"].isna().all()


@pytest.mark.parametrize("held", [1, 2, 9])
def test_a_layer_is_compared_the_same_however_many_fit_into_memory(held, monkeypatch):
    layers = {"clean": [features(seed, 4) for seed in range(5)], "I": [features(seed, 4) for seed in range(7, 12)]}
    others, most = [features(seed, 6) for seed in range(20, 23)], []
    monkeypatch.setattr(module, "ROOM", 8 * N * 6 * held)
    monkeypatch.setattr(module, "table", lambda own, known: most.append(len(known)) or table(own, known))

    def own(level, token, layer):
        assert token == "mean"
        return layers[level][layer - 1]

    found = of_clean(own, lambda level, token, layer: others[layer - 1], "mean", 5, 3)
    known = {layer: prepare(other) for layer, other in enumerate(others, 1)}
    assert max(most) == min(held, 3) and set(found["level"]) == {"clean"}
    assert found[["layer", "other_layer"]].to_numpy().tolist() == [[i, j] for i in range(1, 6) for j in range(1, 4)]
    expected = [value for layer in layers["clean"] for value in table(layer, known)["cka"]]
    assert found["cka"].tolist() == pytest.approx(expected)

    found = of_perturbed(own, own, "mean", ["I", "clean"], 5)
    assert found["level"].tolist() == ["I"] * 5 + ["clean"] * 5 and found["layer"].tolist() == [1, 2, 3, 4, 5] * 2
    assert found["other_layer"].equals(found["layer"])
    pairs = zip(layers["I"], layers["clean"], strict=True)
    assert found["cka"].tolist() == pytest.approx([*(compare(*pair)[0] for pair in pairs), *[1] * 5])
