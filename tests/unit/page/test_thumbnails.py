"""Which images have a thumbnail, and what it shows: masks and probabilities against another way to compute them."""

import base64
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.special import softmax

from maescope.images import perturbations
from maescope.page import thumbnails

IMAGES = pd.DataFrame(
    [(label, f"{label}{number}") for label in "abc" for number in range(4)], columns=["label", "image"]
)
GEOMETRY = perturbations.Geometry((2, 2), (0.2, 0.4, 0.6))


def decoded(picture: str) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(base64.b64decode(picture))).convert("RGB"))


def flips(*images: str) -> pd.Series:
    keys = pd.MultiIndex.from_frame(IMAGES)
    return pd.Series([image in images for image in IMAGES["image"]], keys)


def names(frame: pd.DataFrame) -> list[str]:
    return frame["image"].tolist()


def test_an_image_turns_where_it_is_right_when_clean_and_wrong_under_anything():
    rows = [("clean", "a", "1", 1), ("clean", "a", "2", 0), ("clean", "b", "1", 1)]
    rows += [("blur", "a", "1", 1), ("blur", "a", "2", 0), ("blur", "b", "1", 1), ("blur", "a", "1", 0)]
    frame = pd.DataFrame(rows, columns=["perturbation", "label", "image", "correct"])
    assert thumbnails.turned(frame).to_dict() == {("a", "1"): True, ("a", "2"): False, ("b", "1"): False}


def test_images_of_tsne_come_first_then_labels_in_turn_those_that_flip_before_others():
    assert names(thumbnails.picked(IMAGES, flips(), ["c"], 2, 2)) == ["c0", "c1"]
    assert names(thumbnails.picked(IMAGES, flips("a3", "c3"), ["c"], 2, 5)) == ["a3", "b0", "c0", "c1", "c3"]
    assert names(thumbnails.picked(IMAGES, flips(), [], 9, 3)) == ["a0", "b0", "c0"]
    assert names(thumbnails.picked(IMAGES, flips(), list("abc"), 9, 600)) == names(IMAGES)


def test_of_the_labels_that_are_followed_each_has_as_many(monkeypatch):
    monkeypatch.setattr(thumbnails, "FOLLOWED", 4)
    assert names(thumbnails.followed(IMAGES, flips("a2", "b0"), ["a", "c"])) == ["a0", "a2", "c0", "c1"]


@pytest.mark.parametrize("size, expected", [((8, 8), (8, 8)), ((200, 100), (96, 48))])
def test_a_thumbnail_is_small_and_shows_the_picture(size, expected):
    picture = np.full((3, size[1], size[0]), 90, np.uint8)
    picture[0] = 200
    found = decoded(thumbnails.encoded(picture))
    assert found.shape == (expected[1], expected[0], 3)
    assert np.abs(found.mean((0, 1)) - [200, 90, 90]).max() < 6  # WebP keeps colours at half the resolution


def test_occluded_patches_have_the_mean_colour_and_dropped_ones_are_grey():
    """Whatever ranked them: those that the token file has."""
    pictures, masked = np.zeros((1, 3, 4, 4), np.uint8), np.array([[0, 1, 1, 0]], np.uint8)
    occlusion = perturbations.build(
        {"kind": "occlusion", "order": "most", "fill": "mean", "rollout": "gradient", "levels": [50]}, 0, "d"
    )
    seen = thumbnails.degraded(occlusion, "50", pictures, ["a"], masked, GEOMETRY)[0]
    expected = np.zeros((3, 4, 4))
    for row, column in ((0, 1), (1, 0)):  # patches 1 and 2
        expected[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = np.array([51, 102, 153])[:, None, None]
    assert np.array_equal(seen, expected)
    dropping = perturbations.build({"kind": "occlusion", "order": "most", "fill": "drop", "levels": [50]}, 0, "d")
    seen = thumbnails.degraded(dropping, "50", pictures, ["a"], masked, GEOMETRY)[0]
    assert np.array_equal(np.isin(seen, (127, 128)), expected > 0) and seen[expected == 0].max() == 0


def test_probabilities_are_those_of_the_softmax():
    logits = np.random.default_rng(0).normal(0, 5, (6, 4)).astype(np.float32)
    targets, shares = np.array([0, 1, 2, 3, 0, 1]), softmax(logits.astype(np.float64), axis=1)
    found = thumbnails.answers(logits, targets)
    assert np.array_equal(found["prediction"], shares.argmax(1))
    assert np.allclose(found["probability"], shares.max(1)) and np.allclose(
        found["of_right"], shares[range(6), targets]
    )
    among, shares = thumbnails.answers(logits, targets, [3, 1]), softmax(logits[:, [1, 3]].astype(np.float64), axis=1)
    assert np.array_equal(among["prediction"], np.array([1, 3])[shares.argmax(1)])
    assert np.allclose(among["of_right"], np.where(np.isin(targets, [1, 3]), shares[range(6), (targets == 3) * 1], 0))


def test_a_path_has_its_rollout_as_shares_of_the_largest():
    steps = {
        "clean": {"clean": [{"picture": "p", "prediction": 1}]},
        "blur": {"I": [{"picture": "q", "prediction": 0}]},
    }
    (found,) = thumbnails.paths("a", ["a0"], np.array([1]), np.array([[0.1, 0.2, 0.4, 0.3]]), (2, 2), steps)
    assert found["rollout"] == [0.25, 0.5, 1.0, 0.75] and found["grid"] == [2, 2] and found["target"] == 1
    assert found["steps"]["blur"] == [{"level": "I", "picture": "q", "prediction": 0}]
