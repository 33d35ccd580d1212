"""Feeding: orders, draws and processes of a training."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import affine
from trainings import AFFINE, GREY, images_of, problem, recipe

from maescope.base.errors import InputError
from maescope.images import addresses
from maescope.images.reading import Preprocessing
from maescope.models import augmentation, feeding

CROP = {"kind": "crop", "area": [0.2, 1.0], "flip": 0.5}
RAND = {"kind": "randaugment", "area": [0.08, 1.0], "flip": 0.5, "policy": "rand-m9-mstd0.5-inc1", "erasing": 0.25}
STILL = {"degrees": 0.0, "scale": [1.0, 1.0], "shift": 0.0}


def of(order, rank=0, start=0):
    return [(epoch, step, part, which.tolist()) for epoch, step, part, which in order.of(rank, start)]


def test_an_epoch_takes_each_image_once_in_an_order_of_its_own_and_drops_the_rest():
    asked = of(feeding.Order(10, 3, 4, seed=0))
    assert [(epoch, step) for epoch, step, *_ in asked] == [(1 + step // 3, step) for step in range(12)]
    orders = [[*itertools.chain(*(which for epoch, _, _, which in asked if epoch == own))] for own in range(1, 5)]
    assert all(len(order) == 9 == len(set(order)) and set(order) <= set(range(10)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    assert of(feeding.Order(10, 3, 4, seed=1)) != asked


def test_an_order_goes_on_from_any_step_as_if_it_had_not_stopped():
    whole = of(feeding.Order(10, 3, 4, seed=0))
    assert of(feeding.Order(10, 3, 4, seed=0), start=7) == whole[7:]


@pytest.mark.parametrize("mixed", [False, True])
def test_processes_and_parts_share_the_images_of_each_step(mixed):
    alone = of(feeding.Order(16, 8, 2, seed=0))
    shared = [asked for rank in range(2) for asked in of(feeding.Order(16, 8, 2, 0, 2, 2, mixed), rank)]
    for _, step, _, which in alone:
        parts = sorted((part, own) for _, other, part, own in shared if other == step)
        assert [part for part, _ in parts] == [0, 1, 2, 3]
        assert sorted(itertools.chain(*(own for _, own in parts))) == sorted(which)
        if mixed:  # first with last, second with the one before, and so on, whatever the parts
            pairs = {frozenset((own[place], own[-1 - place])) for _, own in parts for place in range(len(own))}
            assert pairs == {frozenset((which[place], which[-1 - place])) for place in range(8)}


def test_more_images_for_a_step_in_parts_than_there_are_is_refused():
    said = "batch_size: a step takes 32 images, but there are 16, which cannot go on in 1 x 4 parts; lower it, or give"
    with pytest.raises(InputError, match=said):
        feeding.Order(16, 32, 1, 0, 1, 4)


@pytest.mark.parametrize(("images", "further", "said"), [
    (0, {}, "0 images, but a step takes 1 or more; give more"),
    (1, {"normed": True}, r"1 image, but a step takes 2 or more \(with the batch norm of a probe\); give more"),
    (1, {"mixed": True}, r"1 image, but a step takes 2 or more \(mixed by twos\); give more"),
    (1, {"size": 2}, r"1 image, but a step takes 2 or more \(on 2 gpus\); give more"),
    (11, {"size": 2, "accumulation": 3, "mixed": True},
     r"11 images, but a step takes 12 or more \(on 2 gpus, in 3 parts, mixed by twos\); give more"),
])  # fmt: skip
def test_too_few_images_for_a_step_are_told_with_what_it_takes_them_for(images, further, said):
    with pytest.raises(InputError, match=f"^training.dataset: {said}$"):
        feeding.Order(images, 24, 1, 0, **further)
    one_more = max(2, images + 1)
    if "accumulation" not in further:
        assert feeding.Order(one_more, 24, 1, 0, **further).steps == 1


def test_one_image_alone_is_enough_where_nothing_is_mixed_or_normalised():
    ((_, _, _, which),) = of(feeding.Order(1, 32, 1, 0))
    assert which == [0]


def test_fewer_images_than_a_step_takes_are_one_step_and_it_is_said_aloud(caplog):
    ((_, _, _, which),) = of(feeding.Order(15, 32, 1, 0, mixed=True))
    assert len(which) == 14
    assert "a step takes 32 images, but there are 15: each step takes all of them" in caplog.text


@pytest.mark.parametrize(("images", "mixed", "batch"), [(3000, False, 3000), (3001, False, 3000), (134, True, 132)])
def test_all_images_that_there_are_pass_in_parts_as_well(images, mixed, batch):
    order = feeding.Order(images, 4096, 1, 0, mixed=mixed)
    assert order.batch == batch and batch / order.parts <= 64


@pytest.mark.parametrize(("batch", "size", "mixed", "parts"), [
    (16, 1, False, 1), (64, 1, True, 1), (4096, 1, True, 64), (4096, 8, False, 8), (96, 1, False, 2), (97, 1, False, 1),
    (126, 1, True, 3), (126, 1, False, 2),
])  # fmt: skip
def test_a_share_that_is_large_passes_in_equal_parts_of_64_or_fewer(batch, size, mixed, parts):
    assert feeding.Order(5000, batch, 1, 0, size, None, mixed).parts == parts * size


def listed(folder, images=6):
    """Pictures of different sizes on disk, and their list."""
    rng, rows = np.random.default_rng(0), []
    for number in range(images):
        path, size = folder / f"{number} é.png", (20 + number, 16)
        Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), dtype=np.uint8)).save(path)
        rows.append({"path": str(path), "image": path.name, "width": size[0], "height": size[1], "target": number % 2})
    return pd.DataFrame(rows)


@pytest.mark.parametrize("how", [AFFINE | {"kind": "affine"}, CROP, RAND])
def test_processes_memory_and_a_later_start_change_no_pixel(tmp_path, how):
    rows, preprocessing = listed(tmp_path), Preprocessing(8, 8, "bicubic", (0.5,) * 3, (0.2,) * 3)

    def read(workers=0, start=0, keep=False, seed=0):
        targets = rows["target"].to_numpy()
        images = feeding.Images(feeding.Listed(rows), targets, preprocessing, how, seed, (4, 2))
        if keep:
            images.keep(feeding.decoded_bytes(rows, how, preprocessing), 2)
            assert images.kept is not None
        return list(feeding.stream(images, feeding.Order(6, 2, 2, seed).of(0, start), workers))

    def same(one, other):
        return all(torch.equal(a, b) for a, b in zip(one[:4], other[:4], strict=True)) and one[4:] == other[4:]

    alone = read()
    assert all(map(same, alone, read(workers=2))) and all(map(same, alone, read(keep=True)))
    assert all(map(same, alone[4:], read(workers=1, start=4)))
    assert not any(map(same, alone, read(seed=1)))
    assert [batch.step for batch in alone] == [*range(6)] and alone[0].pixels.shape == (2, 3, 8, 8)
    visible = torch.cat([batch.visible for batch in alone])
    assert (visible.diff(dim=1) > 0).all() and len(visible.unique(dim=0)) > 3  # 12 draws of 6 pairs


def test_a_list_tells_where_pictures_are_as_it_does_for_everybody_else():
    rows = pd.DataFrame({"path": ["a é/1.tar"] * 2, "image": ["x", "y"], "start": [512, 2048], "length": [3, 4]})
    rows = rows.assign(digest=["0" * 16, "1" * 16])
    assert [feeding.Listed(rows)[number] for number in range(2)] == addresses.of(rows)
    assert [feeding.Listed(rows[["path", "image"]])[1]] == ["a é/1.tar"]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_picture_that_cannot_be_read_is_one_line(tmp_path, workers):
    rows = listed(tmp_path)
    (tmp_path / "3 é.png").write_bytes(b"no picture")
    images = feeding.Images(feeding.Listed(rows), rows["target"].to_numpy(), GREY, CROP, 0)
    with pytest.raises(InputError, match=r"^[^\n]*/3 é\.png: cannot be decoded[^\n]*$"):
        list(feeding.stream(images, feeding.Order(6, 2, 1, 0), workers))


def test_no_augmentation_leaves_the_images_alone():
    images = torch.randn(3, 3, 9, 9, generator=torch.Generator().manual_seed(1))
    same = augmentation.affine(images, torch.rand(3, 4), STILL)
    assert torch.allclose(same, images, atol=1e-5)


def test_rotation_and_magnification_are_those_of_torchvision_at_the_centre():
    images = torch.randn(1, 3, 33, 33, generator=torch.Generator().manual_seed(1), dtype=torch.float32)
    images = torch.nn.functional.avg_pool2d(images, 5, 1, 2)
    how = {"degrees": 30.0, "scale": [1.25, 1.25], "shift": 0.0}
    ours = augmentation.affine(images, torch.tensor([[0.9, 0.3, 0.5, 0.5]]), how)[..., 8:25, 8:25]
    candidates = [
        affine(images, angle, [0, 0], 1.25, [0.0], InterpolationMode.BILINEAR)[..., 8:25, 8:25] for angle in (24, -24)
    ]
    assert min((ours - other).abs().max().item() for other in candidates) < 1e-3


def test_shifts_stay_within_their_fraction_of_the_side_and_use_it():
    ramp = torch.arange(40.0).expand(200, 3, 40, 40)  # the value of a pixel is its column
    numbers = torch.rand(200, 4, generator=torch.Generator().manual_seed(5))
    shifts = (augmentation.affine(ramp, numbers, STILL | {"shift": 0.1}) - ramp)[:, 0, 20, 20]
    assert 3.5 < shifts.abs().max() <= 4.001
    assert shifts.min() < 0 < shifts.max()


def test_random_crops_take_the_areas_that_are_asked_for_and_flip_half():
    ramp = np.tile(np.arange(240, dtype=np.uint8)[None, :, None], (240, 1, 3))  # the value of a pixel is its column
    cut = augmentation.WholePictures(CROP, Preprocessing(32, 32, "bicubic", (0,) * 3, (1,) * 3))
    rows = np.stack([cut(Image.fromarray(ramp), seed)[0, 16].astype(float) for seed in range(100)])
    spans = rows[:, -1] - rows[:, 0]  # columns of the picture from the first of the crop to the last
    assert 0.35 < (spans < 0).mean() < 0.65
    widths = np.abs(spans) / 31 * 32 / 240  # the root of area times a ratio of 3 / 4 to 4 / 3
    assert 0.35 < widths.min() < 0.5 and 0.9 < widths.max() < 1.03


def test_the_papers_randaugment_leaves_no_bit_of_a_few_pictures_and_goes_on():
    """Magnitude 9 with noise is cut at 10, where PosterizeIncreasing keeps none: timm asks Pillow, which refuses."""
    picture = Image.fromarray(np.random.default_rng(0).integers(1, 256, (16, 16, 3), np.uint8))
    how = RAND | {"policy": "rand-m10-n1-p1-inc1", "erasing": 0.0, "area": [1.0, 1.0]}
    augment = augmentation.WholePictures(how, Preprocessing(8, 8, "bicubic", (0,) * 3, (1,) * 3))
    black = [seed for seed in range(60) if augment(picture, seed).max() == 0]
    assert 1 <= len(black) <= 12  # of 15 operations one

    assert np.asarray(augmentation.posterize(picture, 0)).tolist() == np.zeros((16, 16, 3)).tolist()
    for bits in range(1, 9):
        kept = np.asarray(picture) >> (8 - bits) << (8 - bits)
        assert np.array_equal(augmentation.posterize(picture, bits, fillcolor=(0, 0, 0)), kept)


def test_normalised_pixels_are_those_of_extraction():
    pixels, targets = problem(4)
    (batch,) = feeding.stream(images_of(pixels, targets, recipe()), feeding.Order(4, 4, 1, 0), 0)
    found = augmentation.normalised(batch.pixels, GREY.mean, GREY.std)
    order = feeding.Order(4, 4, 1, 0)
    which = next(iter(order.of(0, 0)))[3]
    wanted = (pixels[which].astype(np.float32) / 255 - np.float32(0.5)) / np.float32(0.25)
    assert np.array_equal(found.numpy(), wanted)
    already = torch.randn(1, 3, 2, 2)
    assert augmentation.normalised(already, GREY.mean, GREY.std) is already
