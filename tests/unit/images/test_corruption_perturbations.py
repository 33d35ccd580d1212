"""Corruptions as perturbations: generated ones depend on the image alone, those on disk are paired by file name."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

from maescope.base import seeds
from maescope.base.errors import InputError
from maescope.images import corruptions, perturbations, reading

RNG = np.random.default_rng(0)
CROPS = RNG.integers(0, 256, (4, 3, 16, 16), dtype=np.uint8)
NAMES = ["a/1.png", "a/2.png", "b/1.png", "b/2.png"]


def batch(crops=CROPS, names=NAMES):
    return perturbations.Batch(torch.from_numpy(crops).float() / 255, names)


def generated(name="gaussian_noise", seed=0, dataset="d", **given):
    return perturbations.Corruption(name, seed, dataset, **given)


def as_bytes(condition):
    return (condition.pixels * 255).round().to(torch.uint8).numpy()


@pytest.mark.parametrize("name", ["gaussian_noise", "glass_blur", "snow", "frost", "jpeg_compression"])
@pytest.mark.parametrize("level", ["1", "5"])
def test_pixels_are_those_of_the_corruption_of_the_exact_crop(name, level):
    result = as_bytes(generated(name).apply(level, batch(), None))
    for crop, image, got in zip(CROPS, NAMES, result, strict=True):
        seed = seeds.number(0, "d", image, name, level)
        wanted = corruptions.corrupt(crop.transpose(1, 2, 0).copy(), name, int(level), seed)
        assert (got == wanted.transpose(2, 0, 1)).all()


def test_nothing_depends_on_order_batch_size_or_threads():
    noise = generated()
    whole = as_bytes(noise.apply("3", batch(), None))
    threads = torch.get_num_threads()
    try:
        for number in (1, 3):
            torch.set_num_threads(number)
            backwards = as_bytes(noise.apply("3", batch(CROPS[::-1].copy(), NAMES[::-1]), None))[::-1]
            single = np.concatenate([as_bytes(noise.apply("3", batch(CROPS[[i]], [NAMES[i]]), None)) for i in range(4)])
            assert (backwards == whole).all() and (single == whole).all()
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("name", corruptions.CORRUPTIONS)
def test_pixels_lie_in_memory_as_clean_ones_do_and_threads_are_as_before_here_and_in_others(name):
    """A model may compute the last digit another way where the colours of a pixel lie side by side."""
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert generated(name).apply("2", batch(), None).pixels.is_contiguous()
        with ThreadPoolExecutor(1) as pool:
            assert torch.get_num_threads() == pool.submit(torch.get_num_threads).result() == 3
    finally:
        torch.set_num_threads(threads)


def test_seed_dataset_image_and_severity_each_change_the_noise():
    same = np.repeat(CROPS[:1], 4, axis=0)
    by_image = as_bytes(generated().apply("3", batch(same), None))
    assert len({picture.tobytes() for picture in by_image}) == 4
    others = [generated(seed=1), generated(dataset="e")]
    assert all((as_bytes(other.apply("3", batch(same), None)) != by_image).any() for other in others)


def test_photographs_of_frost_are_used(tmp_path):
    white = Image.new("RGB", (100, 100), "white")
    white.save(tmp_path / "frost.png")
    (tmp_path / "notes.txt").write_text("no picture")
    entry = {"kind": "corruption", "name": "frost", "folder": None, "frost": str(tmp_path), "levels": list("12345")}
    photographed = as_bytes(perturbations.build(entry, 0, "d").apply("1", batch(), None))
    wanted = np.minimum(CROPS / 255 + 0.2, 1)  # 1 x image + 0.2 x white, of the 32 px table
    assert np.abs(photographed / 255 - wanted).max() <= 1 / 255 + 1e-6
    assert (as_bytes(generated("frost").apply("1", batch(), None)) != photographed).any()
    (tmp_path / "frost.png").unlink()
    with pytest.raises(InputError, match="has no pictures"):
        perturbations.build(entry, 0, "d")


@pytest.fixture
def tree(tmp_path):
    """Fog of severities 1 and 2 for four images; what is in a file tells which it is."""
    for level in ("1", "2"):
        for number, name in enumerate(NAMES):
            path = tmp_path / "fog" / level / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((20, 18, 3), 10 * number + int(level), np.uint8)).save(path)
    (tmp_path / "fog/1/.DS_Store").write_bytes(b"x")
    return tmp_path


def on_disk(tree, levels=("1", "2")):
    return perturbations.CorruptionFiles(str(tree / "fog"), levels)


def test_files_are_paired_by_label_and_name(tree):
    for level in ("1", "2"):
        paths = [on_disk(tree).path(level, name[0], name) for name in NAMES]
        assert [reading.centre(str(path), 16).max() for path in paths] == [10 * n + int(level) for n in range(4)]


def test_files_are_read_in_the_place_of_the_clean_images(tree):
    assert (as_bytes(on_disk(tree).apply("1", batch(), None)) == CROPS).all()


def test_files_are_cut_and_never_resized(tree):
    picture = RNG.integers(0, 256, (21, 18, 3), dtype=np.uint8)
    Image.fromarray(picture).save(tree / "fog/1/a/1.png")
    got = reading.centre(str(tree / "fog/1/a/1.png"), 16)
    assert (got == picture[2:18, 1:17].transpose(2, 0, 1)).all()  # round(2.5) is 2


def test_a_file_smaller_than_the_input_is_refused_by_name(tree):
    Image.new("RGB", (15, 40)).save(tree / "fog/1/a/2.png")
    with pytest.raises(InputError, match=r"fog/1/a/2\.png: 15 x 40 px, smaller than .* 16 px; leave `folder` out"):
        reading.centre(str(tree / "fog/1/a/2.png"), 16)


def test_a_broken_file_is_named_with_what_helps_which_is_not_to_skip_it(tree):
    (tree / "fog/1/a/2.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError, match=r"fog/1/a/2\.png: cannot be decoded \(.*\); replace it$"):
        reading.centre(str(tree / "fog/1/a/2.png"), 16)


def test_all_there_is_accepted_with_stray_files(tree):
    on_disk(tree).require(list("aabb"), NAMES)


def test_an_image_present_clean_but_missing_corrupted_is_named(tree):
    (tree / "fog/2/b/1.png").unlink()
    with pytest.raises(InputError, match=r"fog/2/b/1\.png: there is no such file, though the clean image is there"):
        on_disk(tree).require(list("aabb"), NAMES)


def test_a_folder_of_another_class_list_is_refused(tree):
    (tree / "fog/1/b").rename(tree / "fog/1/z")
    with pytest.raises(InputError, match=r"fog/1: no folder for 1 of 2 classes \(b, ...\); corrupted images must be"):
        on_disk(tree).require(list("aabb"), NAMES)


NESTED = ["a/x/1.png", "a/y/1.png", "a/y/2.png"]


def nested(root, *names):
    """A tree of fog with those files, what is in one telling which it is."""
    for number, name in enumerate(names):
        path = root / "fog/1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((16, 16, 3), 10 * number, np.uint8)).save(path)
    return on_disk(root, ("1",))


def test_files_in_folders_are_paired_with_the_clean_images_of_the_same_folders(tmp_path):
    files = nested(tmp_path, *NESTED)
    files.require(list("aaa"), NESTED)
    paths = [str(files.path("1", "a", name)) for name in NESTED]
    assert [reading.centre(path, 16).max() for path in paths] == [0, 10, 20]


def test_files_without_the_folders_of_the_clean_images_are_paired_by_name_where_that_is_one(tmp_path):
    clean = ["a/x/1.png", "a/y/2.png", "b/z/1.png"]
    files = nested(tmp_path, "a/1.png", "a/2.png", "b/1.png")
    files.require(list("aab"), clean)
    assert [reading.centre(str(files.path("1", name[0], name)), 16).max() for name in clean] == [0, 10, 20]


@pytest.mark.parametrize(
    ("files", "clean", "labels"),
    [
        (["a/1.png", "a/2.png"], NESTED, "aaa"),  # x/1 and y/1 would both be paired with 1
        (["a/x/1.png", "a/1.png", "a/y/2.png"], NESTED, "aaa"),  # of whom is a/1.png?
        (["a/1.png", "a/2.png"], ["x/a/1.png", "y/a/1.png", "y/a/2.png"], "aaa"),
        (["a/y/1.png", "a/2.png"], ["a/x/y/1.png", "a/z/y/1.png", "a/y/2.png"], "aaa"),
    ],
)
def test_a_file_that_several_clean_images_could_be_paired_with_is_refused(files, clean, labels, tmp_path):
    with pytest.raises(InputError, match=r"1\.png: several clean images of a have this name; put corrupted images in"):
        nested(tmp_path, *files).require(list(labels), clean)


def test_a_clean_image_beside_folders_is_paired_with_the_file_beside_folders(tmp_path):
    clean = ["a/1.png", "a/x/1.png"]
    files = nested(tmp_path, *clean)
    files.require(list("aa"), clean)
    assert [reading.centre(str(files.path("1", "a", name)), 16).max() for name in clean] == [0, 10]


def test_all_pictures_of_a_folder_come_sorted(tmp_path):
    for name, grey in (("b.png", 2), ("a.jpg", 200)):
        Image.new("RGB", (9, 9), (grey,) * 3).save(tmp_path / name)
    assert [round(picture.mean()) for picture in reading.pictures(str(tmp_path))] == [200, 2]
