"""Masks, blur and occlusion: who depends on what, and pixels worked out elsewhere."""

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d

from maescope.base import seeds
from maescope.base.errors import InputError
from maescope.images import perturbations

GEOMETRY = perturbations.Geometry(grid=(3, 4), mean=(0.25, 0.5, 0.75))
NAMES = ["a/1.png", "a/2.png", "b/1.png"]


def pixels(images=3, height=6, width=8):
    return torch.rand(images, 3, height, width, generator=torch.Generator().manual_seed(0))


def occluded(level, scores=None, order="most", fill="mean", images=None, batch=None):
    batch = pixels(len(scores) if scores is not None else 3) if batch is None else batch
    names = NAMES[: len(batch)] if images is None else images
    kind = perturbations.Occlusion((0, 10, 50, 90), order, fill, seed=0, dataset="d")
    return kind.apply(str(level), perturbations.Batch(batch, names, scores), GEOMETRY)


def removed(condition):
    return [row.nonzero()[:, 0].tolist() for row in condition.stored["masked"]]


def test_a_mask_shows_the_right_number_of_distinct_patches_in_ascending_order():
    ids = perturbations.visible_patches([f"{n}.png" for n in range(40)], 196, 0.75, 0, "d", 1)
    assert ids.shape == (40, 49)
    assert (np.diff(ids, axis=1) > 0).all()
    assert ids.min() >= 0 and ids.max() < 196


def test_masks_show_every_patch_equally_often():
    ids = perturbations.visible_patches([f"{n}.png" for n in range(2000)], 16, 0.75, 0, "d", 1)
    counts = np.bincount(ids.ravel(), minlength=16)
    assert np.abs(counts - 500).max() < 5 * np.sqrt(2000 * 0.25 * 0.75)


def test_masks_depend_neither_on_the_batch_nor_on_the_order():
    together = perturbations.visible_patches(NAMES, 196, 0.75, 0, "d", 1)
    backwards = perturbations.visible_patches(NAMES[::-1], 196, 0.75, 0, "d", 1)
    alone = [perturbations.visible_patches([name], 196, 0.75, 0, "d", 1)[0] for name in NAMES]
    assert (together == backwards[::-1]).all()
    assert (together == np.stack(alone)).all()


@pytest.mark.parametrize("change", [{"seed": 1}, {"dataset": "e"}, {"number": 2}, {"images": NAMES[1:2]}])
def test_masks_differ_between_images_datasets_seeds_and_mask_numbers(change):
    settings = {"images": NAMES[:1], "patches": 196, "ratio": 0.75, "seed": 0, "dataset": "d", "number": 1}
    assert (perturbations.visible_patches(**settings) != perturbations.visible_patches(**(settings | change))).any()


def test_a_mask_that_hides_everything_is_refused():
    with pytest.raises(ValueError, match="none of 9 patches"):
        perturbations.visible_patches(NAMES, 9, 0.9, 0, "d", 1)


def test_each_level_of_mask_is_a_mask_of_its_own_and_is_stored():
    kind = perturbations.build({"kind": "mask", "ratio": 0.75, "masks": 3}, 0, "d")
    assert kind.levels == ("1", "2", "3")
    batch = perturbations.Batch(pixels(), NAMES)
    first, third = (kind.apply(level, batch, GEOMETRY) for level in ("1", "3"))
    assert (first.visible != third.visible).any()
    assert first.stored["visible"] is first.visible
    assert (third.visible.numpy() == perturbations.visible_patches(NAMES, 12, 0.75, 0, "d", 3)).all()
    assert torch.equal(first.pixels, batch.pixels)


def test_a_mask_with_a_seed_of_its_own_is_another_draw_and_without_one_that_of_the_study():
    entry, batch = {"kind": "mask", "ratio": 0.75, "masks": 1}, perturbations.Batch(pixels(), NAMES)
    drawn = {
        seed: perturbations.build(entry | {"seed": seed}, 5, "d").apply("1", batch, GEOMETRY).visible.tolist()
        for seed in (None, 0, 1, 5)
    }
    assert drawn[None] == drawn[5] == perturbations.visible_patches(NAMES, 12, 0.75, 5, "d", 1).tolist()
    assert drawn[0] == perturbations.visible_patches(NAMES, 12, 0.75, 0, "d", 1).tolist()
    assert drawn[1] != drawn[0] != drawn[5]


def test_clean_images_stay_as_they_are():
    kind, batch = perturbations.build({"kind": "clean"}, 0, "d"), perturbations.Batch(pixels(), NAMES)
    condition = kind.apply("clean", batch, GEOMETRY)
    assert kind.levels == ("clean",)
    assert torch.equal(condition.pixels, batch.pixels)
    assert condition.visible is None and not condition.stored


def blurred(images, kernel, sigma):
    kind = perturbations.build({"kind": "blur", "levels": {"I": {"kernel": kernel, "sigma": sigma}}}, 0, "d")
    return kind.apply("I", perturbations.Batch(images, NAMES), GEOMETRY).pixels


@pytest.mark.parametrize(("kernel", "sigma"), [(5, 1e-3), (11, 0.05), (1, 3.0)])
def test_blur_with_a_vanishing_sigma_or_a_kernel_of_one_pixel_is_the_identity(kernel, sigma):
    images = pixels(height=16, width=20)
    assert torch.allclose(blurred(images, kernel, sigma), images, atol=1e-7)


def test_blur_leaves_a_constant_image_constant():
    assert torch.allclose(blurred(torch.full((2, 3, 16, 16), 0.3), 11, 5.0), torch.tensor(0.3), atol=1e-6)


@pytest.mark.parametrize(("kernel", "sigma"), [(5, 1.0), (7, 13.5), (11, 2.0)])
def test_blur_is_correlation_with_a_truncated_gaussian_and_mirrored_borders(kernel, sigma):
    images = pixels(height=16, width=20)
    offsets = np.arange(kernel) - kernel // 2
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    weights /= weights.sum()
    expected = images.double().numpy()
    for axis in (2, 3):
        expected = correlate1d(expected, weights, axis=axis, mode="mirror")
    np.testing.assert_allclose(blurred(images, kernel, sigma).numpy(), expected, atol=1e-6)


def test_blur_does_not_depend_on_the_batch():
    images = pixels(height=16, width=20)
    alone = torch.cat([blurred(image[None], 7, 4.0) for image in images])
    assert torch.allclose(blurred(images, 7, 4.0), alone, atol=1e-7)


@pytest.mark.parametrize("order", ["most", "least", "random"])
@pytest.mark.parametrize("fill", ["mean", "black"])
def test_occlusion_of_nothing_leaves_every_bit_of_the_clean_image(order, fill):
    batch = pixels()
    condition = occluded(0, torch.rand(3, 12), order, fill, batch=batch)
    assert torch.equal(condition.pixels, batch)
    assert not condition.stored["masked"].any()


@pytest.mark.parametrize(("level", "count"), [(0, 0), (10, 1), (50, 6), (90, 11)])
@pytest.mark.parametrize("order", ["most", "least", "random"])
def test_the_share_of_occluded_patches_is_rounded(level, count, order):
    condition = occluded(level, torch.rand(3, 12, generator=torch.Generator().manual_seed(1)), order)
    assert condition.stored["masked"].sum(1).tolist() == [count] * 3


SCORES = torch.tensor([[0.5, 0.1, 0.9, 0.2, 0.8, 0.05, 0.3, 0.4, 0.6, 0.7, 0.15, 0.25]])


def test_the_most_attended_patches_go_first():
    assert removed(occluded(10, SCORES, "most")) == [[2]]
    assert removed(occluded(50, SCORES, "most")) == [[0, 2, 4, 7, 8, 9]]


def test_the_least_attended_patches_go_first_where_asked():
    assert removed(occluded(10, SCORES, "least")) == [[5]]
    assert removed(occluded(50, SCORES, "least")) == [[1, 3, 5, 6, 10, 11]]


@pytest.mark.parametrize("order", ["most", "least"])
def test_ties_go_by_patch_index(order):
    assert removed(occluded(50, torch.ones(1, 12), order)) == [[0, 1, 2, 3, 4, 5]]


def test_random_occlusion_grows_from_level_to_level_and_ignores_the_scores():
    half, most = (removed(occluded(level, None, "random")) for level in (50, 90))
    assert all(set(few) < set(many) for few, many in zip(half, most, strict=True))
    assert removed(occluded(50, torch.rand(3, 12), "random")) == half
    assert half[0] != half[1]


def test_random_occlusion_depends_neither_on_the_batch_nor_on_the_order():
    together = removed(occluded(50, order="random"))
    backwards = removed(occluded(50, order="random", images=NAMES[::-1]))
    alone = [removed(occluded(50, order="random", images=[name], batch=pixels(1)))[0] for name in NAMES]
    assert together == backwards[::-1] == alone


def test_patches_are_ranked_by_what_the_head_reads_or_by_what_feeds_cls_or_by_nothing():
    build = {"kind": "occlusion", "order": "most", "fill": "mean", "levels": [0]}
    changes = [{}, {"rollout": "head"}, {"rollout": "cls"}, {"rollout": "gradient", "order": "least"}]
    ranked = [perturbations.build(build | change, 0, "d").scores for change in (*changes, {"order": "random"})]
    assert ranked == ["rollout", "rollout", "rollout_cls", "gradient", None]


@pytest.mark.parametrize(("fill", "colour"), [("mean", (0.25, 0.5, 0.75)), ("black", (0, 0, 0))])
def test_masked_patches_are_painted_and_all_others_left(fill, colour):
    batch = pixels(1)
    painted = occluded(50, SCORES, fill=fill, batch=batch).pixels
    for row, column in np.ndindex(6, 8):
        patch = 4 * (row // 2) + column // 2
        expected = torch.tensor(colour) if patch in (0, 2, 4, 7, 8, 9) else batch[0, :, row, column]
        assert torch.equal(painted[0, :, row, column], expected.float())


def test_the_mean_fill_is_zero_after_normalisation():
    mean = torch.tensor(GEOMETRY.mean).reshape(1, 3, 1, 1)
    assert not (occluded(90, SCORES).pixels - mean)[0, :, :2, :2].any()


def test_dropped_tokens_leave_the_complement_in_ascending_order_and_pixels_alone():
    batch = pixels(1)
    condition = occluded(50, SCORES, fill="drop", batch=batch)
    assert condition.visible.tolist() == [[1, 3, 5, 6, 10, 11]]
    assert torch.equal(condition.pixels, batch)
    assert occluded(0, SCORES, fill="drop").visible.tolist() == [list(range(12))]


def test_dropped_tokens_of_several_images_keep_to_their_image():
    condition = occluded(50, torch.stack([SCORES[0], SCORES[0].flip(0), 1 - SCORES[0]]), fill="drop")
    masked = condition.stored["masked"]
    for ids, row in zip(condition.visible, masked, strict=True):
        assert ids.tolist() == [n for n in range(12) if not row[n]]


def test_shuffled_pieces_are_those_of_the_picture_and_the_pieces_stay_whole():
    kind, batch = perturbations.build({"kind": "shuffle", "levels": [2, 6]}, 0, "d"), pixels(3, 12, 12)
    assert kind.levels == ("2", "6") and kind.scores is None
    for grid in (2, 6):
        size = 12 // grid
        found = kind.apply(str(grid), perturbations.Batch(batch, NAMES), GEOMETRY).pixels
        for before, after in zip(batch.numpy(), found.numpy(), strict=True):
            cut = [
                sorted(
                    picture[:, y : y + size, x : x + size].tobytes()
                    for y in range(0, 12, size)
                    for x in range(0, 12, size)
                )
                for picture in (before, after)
            ]
            assert cut[0] == cut[1]
        assert not torch.equal(found, batch)


def test_two_pieces_along_a_side_come_as_the_seed_orders_them():
    picture = torch.arange(4.0).reshape(1, 1, 2, 2).repeat(1, 3, 1, 1) / 4
    kind = perturbations.build({"kind": "shuffle", "levels": [2]}, 5, "d")
    found = kind.apply("2", perturbations.Batch(picture, ["a.png"]), GEOMETRY).pixels
    order = seeds.generator(5, "d", "a.png", "shuffle", "2").permutation(4)
    assert (found[0, 0] * 4).reshape(-1).tolist() == order.tolist()


def test_a_shuffle_depends_neither_on_the_batch_nor_on_its_order_and_pieces_must_fit():
    kind, batch = perturbations.build({"kind": "shuffle", "levels": [2, 5]}, 0, "d"), pixels()
    together = kind.apply("2", perturbations.Batch(batch, NAMES), GEOMETRY).pixels
    for number, name in enumerate(NAMES):
        alone = kind.apply("2", perturbations.Batch(batch[number : number + 1], [name]), GEOMETRY).pixels
        assert torch.equal(alone[0], together[number])
    with pytest.raises(InputError, match="5 x 5 pieces do not divide a crop of 6 x 8 px"):
        kind.apply("5", perturbations.Batch(batch, NAMES), GEOMETRY)


def test_the_centre_goes_first_or_the_edge():
    assert removed(occluded(10, order="centre"))[0] == [5]  # of the two in the middle of 3 x 4 patches the lower number
    assert removed(occluded(10, order="edge"))[0] == [0]  # of the four corners
    assert sorted({*removed(occluded(90, order="centre"))[0]} ^ {*range(12)}) == [11]
    assert perturbations.from_centre(3, 4)[:4] == pytest.approx(np.sqrt([3.25, 1.25, 1.25, 3.25]))


def test_shuffled_patches_are_the_occluded_ones_exchanged_and_all_others_stay():
    batch = pixels()
    found = occluded(50, order="random", fill="shuffled", batch=batch)
    same = (found.pixels == batch).all(1).reshape(3, 3, 2, 4, 2).all(4).all(2).reshape(3, 12)  # patches of 2 x 2
    masked = found.stored["masked"]
    assert same[~masked].all() and not same[masked].all()
    for before, after in zip(batch, found.pixels, strict=True):
        assert torch.equal(before.flatten().sort().values, after.flatten().sort().values)
