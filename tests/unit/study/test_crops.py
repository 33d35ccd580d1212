"""Crops too small for a job, told while planning; held against what the functions themselves take."""

import numpy as np
import pytest
import torch
from PIL import Image

from maescope.base.errors import InputError
from maescope.images import corruptions
from maescope.measures import quality
from maescope.study import crops


@pytest.mark.parametrize(("crop", "fits"), [(10, False), (11, True), (8, False), (224, True)])
def test_ssim_takes_what_its_window_fits_into(crop, fits):
    images = torch.rand(1, 3, crop, crop, generator=torch.Generator().manual_seed(0))
    if fits:
        crops.require_ssim("vit", crop)
        assert quality.ssim(images, images).tolist() == [1]
        return
    with pytest.raises(InputError, match=rf"^models\.vit\.preprocessing\.crop: {crop} px, but SSIM .* 11 x 11 px"):
        crops.require_ssim("vit", crop)
    with pytest.raises((ValueError, RuntimeError)):
        quality.ssim(images, images)


def test_of_a_crop_that_is_no_square_each_side_is_judged(tmp_path):
    with pytest.raises(InputError, match=r"^models\.vit\.preprocessing\.crop: 32 x 10 px, but SSIM"):
        crops.require_ssim("vit", [32, 10])
    with pytest.raises(InputError, match=r"crop: 32 x 7 px, but fog is generated from 8 px"):
        crops.require_corrupted("fog", entry(name="fog"), "vit", [32, 7])
    assert [crops.is_small(crop) for crop in (64, 65, [64, 128], [128, 65])] == [True, False, True, False]
    for size, fits in (((70, 66), True), ((69, 66), False), ((70, 65), False)):  # width and height of a photograph
        Image.new("RGB", size).save(tmp_path / "ice.png")
        crops._sizes.cache_clear()
        image, photograph = np.zeros((66, 70, 3), np.uint8), [np.asarray(Image.open(tmp_path / "ice.png"))]
        if fits:
            crops.require_corrupted("frost", entry(frost=str(tmp_path)), "vit", [66, 70])
            corruptions.corrupt(image, "frost", 1, 0, frost=photograph)
            continue
        with pytest.raises(InputError, match=r"but 70 x 66 px are needed for the crop of 66 x 70 px of vit"):
            crops.require_corrupted("frost", entry(frost=str(tmp_path)), "vit", [66, 70])
        with pytest.raises(ValueError, match="too small"):
            corruptions.corrupt(image, "frost", 1, 0, frost=photograph)


def entry(**changes):
    return {"kind": "corruption", "name": "frost", "folder": None, "frost": None} | changes


def test_corruptions_need_eight_pixels_where_they_are_generated():
    assert crops.CORRUPTED == corruptions._SMALLEST and corruptions._SMALL_UP_TO == 64
    with pytest.raises(InputError, match=r"^models\.vit\.preprocessing\.crop: 7 px, but fog is generated from 8 px"):
        crops.require_corrupted("fog", entry(name="fog"), "vit", 7)
    crops.require_corrupted("fog", entry(name="fog"), "vit", 8)
    crops.require_corrupted("fog", entry(name="fog", folder="/tree"), "vit", 7)  # they are cut out as they are
    crops.require_corrupted("blur", {"kind": "blur"}, "vit", 7)


@pytest.mark.parametrize(("crop", "side"), [(8, 38), (32, 158), (64, 318), (65, 65), (224, 224)])
def test_a_frost_photograph_must_hold_the_crop_and_not_a_pixel_more(crop, side, tmp_path):
    """At 64 px and less every fifth pixel of it is used, from the third on."""
    crops._sizes.cache_clear()
    image = np.zeros((crop, crop, 3), np.uint8)
    (tmp_path / "README.txt").write_text("no photograph")
    for number, size in enumerate((side, side - 1)):
        Image.new("RGB", (side + 9, size)).save(tmp_path / "ice.png")
        photograph = [np.asarray(Image.open(tmp_path / "ice.png"))]
        crops._sizes.cache_clear()
        if number == 0:
            crops.require_corrupted("frost", entry(frost=str(tmp_path)), "vit", crop)
            corruptions.corrupt(image, "frost", 1, 0, frost=photograph)
            continue
        with pytest.raises(InputError) as caught:
            crops.require_corrupted("frost", entry(frost=str(tmp_path)), "vit", crop)
        with pytest.raises(ValueError, match="too small"):
            corruptions.corrupt(image, "frost", 1, 0, frost=photograph)
        assert str(caught.value) == (
            f"perturbations.frost.frost: {tmp_path}/ice.png has {side + 9} x {side - 1} px, but {side} x {side} px are "
            f"needed for the crop of {crop} px of vit; take it out of the folder"
        )
