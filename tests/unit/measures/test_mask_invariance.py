"""Mask invariance: which pairs are compared, and cases known on paper."""

import numpy as np
import pandas as pd
import pytest

from maescope.figures import masks
from maescope.measures import mask_invariance
from maescope.tables import layers, shifts

LABELS, IMAGES = ["a", "a", "b"], ["0", "1", "0"]


def embeddings():
    """Three images along three axes, each under four masks that change its norm alone."""
    return np.arange(1, 5)[:, None, None] * np.eye(3)  # (masks, B, D)


def test_every_two_masks_of_an_image_and_every_two_images_of_a_mask():
    pairs = mask_invariance.table(embeddings(), LABELS, IMAGES)
    kinds = mask_invariance.compared(pairs)
    assert kinds.value_counts().to_dict() == {"one image": 3 * 6, "one class": 4, "two classes": 2 * 4}
    assert (pairs.loc[kinds == "one image", "mask_a"] < pairs.loc[kinds == "one image", "mask_b"]).all()
    assert (pairs.loc[kinds != "one image", "mask_a"] == pairs.loc[kinds != "one image", "mask_b"]).all()
    assert pairs.loc[kinds == "one image", "cosine"].to_numpy() == pytest.approx(1)
    assert pairs.loc[kinds != "one image", "cosine"].to_numpy() == pytest.approx(0)


def test_norms_are_one_a_mask_and_image():
    pairs = mask_invariance.table(embeddings(), LABELS, IMAGES)
    norms = mask_invariance.norms(pairs)
    assert len(norms) == 12
    assert (norms["norm"] == norms["mask"]).all()
    spread = layers.norm_spread(norms)
    assert spread["range"].to_numpy() == pytest.approx(100 * 3 / 2.5)
    assert spread["deviation"].to_numpy() == pytest.approx(100 * np.std([1, 2, 3, 4], ddof=1) / 2.5)


@pytest.mark.parametrize("shape", [(1, 3), (3, 1)])
def test_one_mask_or_one_image_is_refused_with_both_numbers(shape):
    with pytest.raises(ValueError, match=f"2 masks and 2 images or more, got {shape[0]} and {shape[1]}"):
        mask_invariance.table(np.ones((*shape, 4)), LABELS[: shape[1]], IMAGES[: shape[1]])


def test_rows_of_the_table_of_shifts():
    pairs = mask_invariance.table(embeddings(), LABELS, IMAGES)
    pairs["compared"] = mask_invariance.compared(pairs)
    paper = pd.DataFrame(
        [
            ("lowest norm over 100 random masks (one image)", 92.4),
            ("highest norm over 100 random masks (one image)", 95.4),
        ],
        columns=["claim", "value"],
    )
    options = {"resamples": 100, "confidence": 0.95, "seed": 0}
    rows = shifts.mask_shifts(pairs, mask_invariance.norms(pairs), options, paper)
    assert rows["value"].tolist() == pytest.approx([1, 120, 100 * np.std([1, 2, 3, 4], ddof=1) / 2.5])
    assert rows["baseline_value"].tolist()[::2] == pytest.approx([0, 0])  # cosine between images; equal norms
    assert rows["paper"][1] == pytest.approx(3.195, abs=1e-3)
    assert (rows[["low", "high"]].sub(rows["value"], axis=0).abs() < 1e-9).all(axis=None)  # all images agree
    without = shifts.mask_shifts(pairs, mask_invariance.norms(pairs), options, None)
    assert without["paper"].isna().all()


def test_embeddings_of_zeros_are_in_no_mean_and_counted():
    means = np.repeat(embeddings(), 2, axis=1)  # two images of each axis
    means[:, 1] = 0  # one of them under every mask
    means[0, 3] = 0  # one under the first
    pairs = mask_invariance.table(means, list("aabbcc"), list("012345"))
    pairs["compared"] = mask_invariance.compared(pairs)
    norms = mask_invariance.norms(pairs)
    options = {"resamples": 100, "confidence": 0.95, "seed": 0}
    rows = shifts.mask_shifts(pairs, norms, options, None).set_index("quantity")
    assert rows["images"].tolist() == [5, 5, 5]
    assert rows.loc["cosine of two masks of one image", "value"] == pytest.approx(1)
    # of five images, one of a, those of b (120 and 4 / 2.25), those of c: classes count the same
    spread = (120 + (120 + 100 * 4 / 2.25) / 2 + 120) / 3
    assert rows.loc["range of the norm over masks (%)", "value"] == pytest.approx(spread)
    said = layers.masks_seen(layers.mask_numbers(pairs), norms)
    assert "mean cosine 1.000 within an image" in said
    assert "5 embeddings are zeros, which have no cosine, and are left out." in said
    outlines = masks.figure_masks(pairs).axes[0].patches
    highest = [patch.get_xy()[:, 1].max() for patch in outlines]
    assert highest == pytest.approx([100] * 6)  # per cent of the pairs that have a cosine, which is one of each kind
    assert shifts.notes_on_masks(norms)[-1].startswith("2 images (the first is 1) have an embedding of zeros under a")
    assert shifts.notes_on_masks(norms[norms["image"] == "0"]) == shifts.NOTES_ON_MASKS


def test_nothing_but_zeros_is_no_number_and_no_traceback():
    pairs = mask_invariance.table(np.zeros((3, 4, 5)), list("aabb"), list("0123"))
    pairs["compared"] = mask_invariance.compared(pairs)
    options = {"resamples": 100, "confidence": 0.95, "seed": 0}
    rows = shifts.mask_shifts(pairs, mask_invariance.norms(pairs), options, None)
    assert rows[["value", "low", "high"]].isna().all(axis=None) and (rows["images"] == 0).all()
    masks.figure_masks(pairs).draw_without_rendering()
