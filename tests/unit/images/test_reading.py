"""From files to pixels: what is accepted, what is refused, and which images are drawn."""

import errno
import logging
import struct
import tracemalloc
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile, PngImagePlugin
from torchvision.transforms import CenterCrop, InterpolationMode, Resize

from maescope.base.errors import InputError
from maescope.images import patterns, reading, sampling

PLAIN = reading.Preprocessing(resize=8, crop=8, interpolation="bicubic", mean=(0.5,) * 3, std=(0.25,) * 3)


def noise(width=10, height=8, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def folder(root, label, count, start=0):
    (root / label).mkdir(parents=True)
    for n in range(start, start + count):
        noise(seed=n).save(root / label / f"{n:03d}.png")


def pattern(root, names="*.png"):
    return f"{root}/{{label}}/{names}"


@pytest.mark.parametrize(
    ("mode", "name", "expected"),
    [
        ("L", "grey.png", (200, 200, 200)),
        ("1", "bits.png", (255, 255, 255)),
        ("RGBA", "alpha.png", (10, 20, 30)),
        ("LA", "greyalpha.png", (200, 200, 200)),
        ("P", "palette.gif", (10, 20, 30)),
        ("RGB", "plain.bmp", (10, 20, 30)),
    ],
)
def test_every_8_bit_mode_becomes_rgb(mode, name, expected, tmp_path):
    colour = {"L": 200, "1": 1, "RGBA": (10, 20, 30, 7), "LA": (200, 7), "RGB": (10, 20, 30)}
    if mode == "P":
        picture = Image.new("P", (5, 4), 3)
        picture.putpalette([0] * 9 + [10, 20, 30])
    else:
        picture = Image.new(mode, (5, 4), colour[mode])
    picture.save(tmp_path / name)
    loaded = reading.load(str(tmp_path / name))
    assert (loaded.mode, loaded.size) == ("RGB", (5, 4))
    assert set(loaded.get_flattened_data()) == {expected}


def test_cmyk_jpegs_become_rgb(tmp_path):
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "red.jpg", quality=95)
    loaded = reading.load(str(tmp_path / "red.jpg"))
    assert loaded.mode == "RGB"
    assert np.abs(np.asarray(loaded, dtype=int) - (255, 0, 0)).max() < 12


def test_an_exif_rotation_is_not_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    noise(10, 8).save(tmp_path / "turned.jpg", exif=exif)
    assert reading.load(str(tmp_path / "turned.jpg")).size == (10, 8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(colour_type, channels):
    """A 16-bit PNG of 2 x 2 pixels."""
    rows = b"".join(b"\0" + bytes(range(1, 1 + 4 * channels)) for _ in range(2))
    header = struct.pack(">IIBBBBB", 2, 2, 16, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_16_bits_a_channel_are_refused(colour_type, channels, tmp_path):
    (tmp_path / "deep.png").write_bytes(png(colour_type, channels))
    with pytest.raises(InputError, match=r"deep\.png: .*more than 8 bits"):
        reading.load(str(tmp_path / "deep.png"))


def test_16_bit_and_float_tiffs_are_refused(tmp_path):
    Image.fromarray(np.full((4, 4), 40000, dtype=np.uint16)).save(tmp_path / "deep.tif")
    Image.fromarray(np.full((4, 4), 0.5, dtype=np.float32)).save(tmp_path / "float.tif")
    for name in ("deep.tif", "float.tif"):
        with pytest.raises(InputError, match=rf"{name}: .*more than 8 bits"):
            reading.load(str(tmp_path / name))


@pytest.mark.parametrize("tolerant", [False, True])
@pytest.mark.parametrize("name", ["short.jpg", "short.png"])
def test_a_truncated_picture_is_refused_by_name_whatever_pillow_is_set_to(name, tolerant, tmp_path, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", tolerant)
    noise(100, 100).save(tmp_path / name)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-3000])
    with pytest.raises(InputError, match=rf"{name}: cannot be decoded"):
        reading.load(str(tmp_path / name))


@pytest.mark.parametrize("content", [b"", b"<!doctype html><title>404</title>", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_refused_by_name(content, tmp_path):
    (tmp_path / "page.JPEG").write_bytes(content)
    with pytest.raises(InputError, match=r"page\.JPEG: cannot be decoded"):
        reading.load(str(tmp_path / "page.JPEG"))


def test_a_file_that_has_gone_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.png: no such file"):
        reading.load(str(tmp_path / "gone.png"))


NOISE = np.random.default_rng(0).bytes(2_000_000)  # as large compressed as not
METADATA = {  # kind and content of a chunk, larger than 1 MB when read
    "colour profile": (b"iCCP", b"name\0\0" + zlib.compress(NOISE)),
    "compressed text": (b"zTXt", b"key\0\0" + zlib.compress(b"x" * 2_000_000)),
    "compressed text in UTF-8": (b"iTXt", b"key\0\1\0\0\0" + zlib.compress(b"x" * 2_000_000)),
    "plain text": (b"tEXt", b"key\0" + b"x" * 2_000_000),
}


@pytest.mark.parametrize("end", [False, True], ids=["before", "behind"])
@pytest.mark.parametrize("what", METADATA)
def test_a_whole_png_with_large_metadata_is_read(what, end, tmp_path):
    noise().save(tmp_path / "whole.png")
    whole = (tmp_path / "whole.png").read_bytes()
    place = whole.index(b"IEND" if end else b"IDAT") - 4
    (tmp_path / "whole.png").write_bytes(whole[:place] + chunk(*METADATA[what]) + whole[place:])
    assert (np.asarray(reading.load(str(tmp_path / "whole.png"))) == np.asarray(noise())).all()


@pytest.mark.parametrize("ending", ["jpg", "tif", "webp"])
def test_other_pictures_with_a_large_colour_profile_are_read(ending, tmp_path):
    noise().save(tmp_path / f"whole.{ending}", icc_profile=NOISE, quality=90)
    noise().save(tmp_path / f"plain.{ending}", quality=90)
    whole, plain = (np.asarray(reading.load(str(tmp_path / f"{name}.{ending}"))) for name in ("whole", "plain"))
    assert (tmp_path / f"whole.{ending}").stat().st_size > 2_000_000
    assert (whole == plain).all()


def test_an_empty_colour_profile_before_the_end_is_no_traceback(tmp_path):
    folder(tmp_path, "a", 3)
    broken = tmp_path / "a" / "001.png"
    whole = broken.read_bytes()
    place = whole.index(b"IEND") - 4
    broken.write_bytes(whole[:place] + chunk(b"iCCP", b"") + whole[place:])
    with pytest.raises(InputError, match=r"001\.png: cannot be decoded \(.+\); replace it, or set on_bad_image: skip"):
        sampling.sample("d", pattern(tmp_path), ["a"], 3, 0)
    chosen, skipped = sampling.sample("d", pattern(tmp_path), ["a"], None, 0, on_bad_image="skip")
    assert [row["image"] for row in chosen] == ["a/000.png", "a/002.png"]
    assert [row["path"] for row in skipped] == [str(broken)]


@pytest.mark.parametrize(
    "error",
    [IndexError("list index"), KeyError(3), struct.error("short"), EOFError(), OSError("cut"), RecursionError()],
)
def test_whatever_a_decoder_raises_names_the_file(error, tmp_path, monkeypatch):
    noise().save(tmp_path / "odd.png")

    def raising(self):
        raise error

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", raising)
    with pytest.raises(InputError, match=r"odd\.png: cannot be decoded \(.+\); replace it"):
        reading.load(str(tmp_path / "odd.png"))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.EMFILE, "Too many open files"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        OSError("out of memory error when reading image file"),  # as PIL's decoders say it
    ],
)
def test_what_the_machine_lacks_is_no_fault_of_a_picture_and_skips_none(error, tmp_path, monkeypatch):
    folder(tmp_path, "a", 3)

    def raising(self):
        raise error

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", raising)
    with pytest.raises(
        RuntimeError, match=r"a/00\d\.png: not read for lack of memory or of open files \(.+\); give the"
    ):
        sampling.sample("d", pattern(tmp_path), ["a"], None, 0, on_bad_image="skip")


def test_the_decoders_of_pil_say_out_of_memory_in_these_words():
    assert "out of memory" in str(ImageFile._get_oserror(-9, encoder=False))


@pytest.mark.parametrize("size", [(1001, 1), (1, 1001), (4001, 4)])
@pytest.mark.parametrize("resize", [None, 16, 512])
def test_a_strip_is_refused_while_sampling_whatever_the_models_take(size, resize, tmp_path):
    folder(tmp_path, "a", 3)
    noise(size[0] - (size[0] > 1), size[1] - (size[0] == 1)).save(tmp_path / "a" / "000.png")  # just short enough
    noise(*size).save(tmp_path / "a" / "001.png")
    said = rf"001\.png: {size[0]} x {size[1]} px, one side more than 1000 times the other; cut it, or set on_bad_image"
    with pytest.raises(InputError, match=said):
        sampling.sample("d", pattern(tmp_path), ["a"], 3, 0, resize=resize)
    chosen, skipped = sampling.sample("d", pattern(tmp_path), ["a"], None, 0, resize=resize, on_bad_image="skip")
    assert [row["image"] for row in chosen] == ["a/000.png", "a/002.png"]
    assert [row["path"] for row in skipped] == [f"{tmp_path}/a/001.png"]


@pytest.mark.parametrize("size", [(250, 2), (3, 250), (999, 10)])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "lanczos"])
def test_of_a_strip_that_would_fill_the_memory_only_the_middle_is_resized(size, interpolation, tmp_path, monkeypatch):
    """As far as rounding goes: waves of 10 px, of which no step between the two directions of resizing is cut off."""
    across, down, channel = np.meshgrid(*map(range, size), range(3), indexing="ij")
    waves = 128 + 100 * np.sin(2 * np.pi * (across + down) / 10 + channel)
    Image.fromarray(waves.astype(np.uint8).transpose(1, 0, 2)).save(tmp_path / "strip.png")
    preprocessing = reading.Preprocessing(16, 13, interpolation, PLAIN.mean, PLAIN.std)
    whole = reading.read(str(tmp_path / "strip.png"), preprocessing)
    picture = reading.load(str(tmp_path / "strip.png"))
    made, resize = [], Image.Image.resize
    monkeypatch.setattr(Image.Image, "resize", lambda self, *args: made.append(args[0]) or resize(self, *args))
    monkeypatch.setattr(reading, "MAX_PIXELS", 16 * 16)
    middle = reading.crop(picture, preprocessing)
    assert made == [(13, 13)] and middle.shape == whole.shape == (3, 13, 13)
    assert np.abs(middle.astype(int) - whole).max() <= 1


def test_a_picture_smaller_than_the_crop_is_named(tmp_path):
    noise(20, 20).save(tmp_path / "small.png")
    preprocessing = reading.Preprocessing(8, 9, "bicubic", PLAIN.mean, PLAIN.std)
    with pytest.raises(InputError, match=r"small\.png: a picture of 8 x 8 px is smaller than the crop of 9; raise"):
        list(reading.batches([str(tmp_path / "small.png")], 1, preprocessing))


@pytest.mark.parametrize(("resize", "told"), [(16, False), (17, True), (None, False)])
def test_pictures_that_are_enlarged_more_than_twofold_are_told_once(resize, told, tmp_path, caplog):
    folder(tmp_path, "a", 3)  # 10 x 8 px each
    noise(90, 90).save(tmp_path / "a" / "large.png")
    with caplog.at_level(logging.WARNING):
        chosen, _ = sampling.sample("d", pattern(tmp_path), ["a"], None, 0, resize=resize)
    assert [(row["width"], row["height"]) for row in chosen] == [(10, 8)] * 3 + [(90, 90)]
    said = "datasets.d: 3 of 4 pictures are enlarged more than twofold, the smallest from 8 to 17 px"
    assert [record.getMessage().startswith(said) for record in caplog.records] == [True] * told


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [12_000, 20_000])
def test_a_huge_picture_is_refused_by_its_header_without_decoding_it(side, tmp_path):
    Image.new("1", (side, side)).save(tmp_path / "huge.png")
    tracemalloc.start()
    with pytest.raises(InputError, match=r"huge\.png: .*pixels"):
        reading.load(str(tmp_path / "huge.png"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize("size", [(50, 40), (40, 50), (33, 97), (97, 33), (24, 24), (20, 31), (301, 25)])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_crop_equals_torchvision_on_pil_pictures(size, interpolation):
    preprocessing = reading.Preprocessing(24, 19, interpolation, PLAIN.mean, PLAIN.std)
    picture = noise(*size)
    theirs = CenterCrop(19)(Resize(24, InterpolationMode(interpolation))(picture))
    assert (reading.crop(picture, preprocessing) == np.asarray(theirs).transpose(2, 0, 1)).all()


@pytest.mark.parametrize("size", [(50, 40), (33, 97), (24, 24), (24, 60)])
def test_both_sides_are_resized_where_a_picture_is_squashed(size):
    preprocessing = reading.Preprocessing(24, 19, "bilinear", PLAIN.mean, PLAIN.std, squash=True)
    theirs = CenterCrop(19)(Resize((24, 24), InterpolationMode.BILINEAR)(noise(*size)))
    assert (reading.crop(noise(*size), preprocessing) == np.asarray(theirs).transpose(2, 0, 1)).all()


@pytest.mark.parametrize(
    ("size", "covering"),
    [((50, 40), (36, 28)), ((40, 50), (36, 45)), ((36, 12), (36, 12)), ((60, 12), (60, 12)), ((90, 10), (108, 12))],
)
def test_of_crops_that_are_no_squares_pictures_just_cover_the_crop_or_get_its_shape(size, covering):
    """Of 10 x 30 px, enlarged to 12 x 36: 36 / 50 of 40 is 28.8, 36 / 40 of 50 is 45, 12 / 10 of 90 is 108."""
    preprocessing = reading.Preprocessing(12, [10, 30], "bilinear", PLAIN.mean, PLAIN.std)
    for squash, sides in ((False, covering), (True, (36, 12))):
        resized = Resize(sides[::-1], InterpolationMode.BILINEAR)(noise(*size))
        found = reading.crop(noise(*size), replace(preprocessing, squash=squash))
        assert (found == np.asarray(CenterCrop((10, 30))(resized)).transpose(2, 0, 1)).all()


def test_a_crop_that_is_no_square_is_larger_than_a_picture_by_either_side(tmp_path):
    noise(20, 9).save(tmp_path / "fog.png")
    assert reading.centre(str(tmp_path / "fog.png"), [9, 20]).shape == (3, 9, 20)
    for crop, words in (([10, 20], "10 x 20"), ([9, 21], "9 x 21")):
        with pytest.raises(InputError, match=rf"fog\.png: 20 x 9 px, smaller than the model's {words} px"):
            reading.centre(str(tmp_path / "fog.png"), crop)


def test_a_picture_of_the_right_size_is_not_touched():
    picture = noise(8, 8)
    assert (reading.crop(picture, PLAIN) == np.asarray(picture).transpose(2, 0, 1)).all()


def test_a_crop_larger_than_the_picture_is_refused():
    with pytest.raises(InputError, match="smaller than the crop of 9; raise resize"):
        reading.crop(noise(20, 20), reading.Preprocessing(8, 9, "bicubic", PLAIN.mean, PLAIN.std))


def test_batches_keep_the_order_and_the_last_is_what_is_left(tmp_path):
    paths = []
    for n in range(7):
        Image.new("RGB", (8, 8), (n, 10 * n, 255 - n)).save(tmp_path / f"{n}.png")
        paths.append(str(tmp_path / f"{n}.png"))
    order = [3, 0, 6, 1, 5, 2, 4]
    got = list(reading.batches([paths[n] for n in order], 3, PLAIN))
    assert [batch.shape for batch in got] == [(3, 3, 8, 8), (3, 3, 8, 8), (1, 3, 8, 8)]
    assert np.concatenate(got)[:, 0, 0, 0].tolist() == order
    assert got[0].dtype == np.uint8
    assert list(reading.batches([], 3, PLAIN)) == []


def test_a_broken_picture_stops_the_batches_by_name(tmp_path):
    folder(tmp_path, "a", 3)
    (tmp_path / "a" / "001.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"001\.png"):
        list(reading.batches([str(p) for p in sorted((tmp_path / "a").iterdir())], 1, PLAIN))


def test_normalised_subtracts_the_mean_and_divides_by_the_standard_deviation(tmp_path):
    Image.new("RGB", (8, 8), (0, 51, 255)).save(tmp_path / "a.png")
    settings = reading.Preprocessing(8, 8, "bicubic", (0.1, 0.2, 0.5), (0.5, 0.4, 0.25))
    values = reading.normalised([str(tmp_path / "a.png")], settings)
    assert values.shape == (1, 3, 8, 8)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values[0, :, 3, 3], [-0.2, 0.0, 2.0], atol=1e-6)


@pytest.mark.parametrize(
    ("path", "pattern", "name"),
    [
        ("/data/val/n01/x.JPEG", "/data/val/{label}/*.JPEG", "n01/x.JPEG"),
        ("/data/c/blur/3/n01/x.JPEG", "/data/c/blur/3/{label}/*.JPEG", "n01/x.JPEG"),
        ("flat/n01_7.png", "flat/{label}_*.png", "n01_7.png"),
        ("any/a/n01/x.png", "any/*/{label}/*.png", "a/n01/x.png"),
        ("x.png", "{label}.png", "x.png"),
    ],
)
def test_identity_is_the_path_behind_the_fixed_beginning_of_the_pattern(path, pattern, name):
    assert patterns.identity(path, pattern) == name


def test_the_same_images_in_another_place_have_the_same_identities(tmp_path):
    for place in ("here", "over there/[1]"):
        folder(tmp_path / place, "a", 6)
    here = sampling.sample("d", pattern(tmp_path / "here"), ["a"], 3, 0)[0]
    there = sampling.sample("d", pattern(f"{tmp_path}/over there/[[]1]"), ["a"], 3, 0)[0]
    assert [row["image"].rpartition("/")[2] for row in here] == [row["image"].rpartition("/")[2] for row in there]


def test_a_sample_has_the_count_of_each_label_sorted_without_repetition(tmp_path):
    folder(tmp_path, "a", 9)
    folder(tmp_path, "b", 7)
    chosen, skipped = sampling.sample("d", pattern(tmp_path), ["b", "a"], 5, 0)
    assert [row["label"] for row in chosen] == ["b"] * 5 + ["a"] * 5
    assert len({row["path"] for row in chosen}) == 10
    for label in "ab":
        names = [row["image"] for row in chosen if row["label"] == label]
        assert names == sorted(names)
        assert all(name.startswith(f"{label}/") for name in names)
    assert skipped == []


def test_without_a_count_all_images_are_taken(tmp_path):
    folder(tmp_path, "a", 4)
    chosen, _ = sampling.sample("d", pattern(tmp_path), ["a"], None, 0)
    assert [row["image"] for row in chosen] == [f"a/{n:03d}.png" for n in range(4)]


def test_a_sample_is_the_same_for_a_seed_and_another_for_another(tmp_path):
    folder(tmp_path, "a", 30)
    draw = [sampling.sample("d", pattern(tmp_path), ["a"], 10, seed)[0] for seed in (0, 0, 1)]
    assert draw[0] == draw[1] != draw[2]


def test_a_label_is_sampled_the_same_whatever_the_other_labels(tmp_path):
    for label in "abc":
        folder(tmp_path, label, 20)
    alone = sampling.sample("d", pattern(tmp_path), ["b"], 5, 0)[0]
    among = sampling.sample("d", pattern(tmp_path), ["c", "b", "a"], 5, 0)[0]
    assert alone == [row for row in among if row["label"] == "b"]


def test_too_few_images_are_an_error_unless_allowed(tmp_path, caplog):
    folder(tmp_path, "a", 4)
    with pytest.raises(InputError, match=r"datasets\.d(.|\n)*a: 4 of 5 images"):
        sampling.sample("d", pattern(tmp_path), ["a"], 5, 0)
    with caplog.at_level(logging.WARNING):
        chosen, _ = sampling.sample("d", pattern(tmp_path), ["a"], 5, 0, allow_fewer=True)
    assert len(chosen) == 4
    assert "a has 4 usable images of 5" in caplog.text


def test_an_empty_folder_is_an_error_even_where_fewer_are_allowed_and_junk_is_named(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "a" / "notes.txt").write_text("x")
    with pytest.raises(InputError, match=r"a: 0 of 1 images in .*not pictures: .*Thumbs\.db, .*notes\.txt"):
        sampling.sample("d", pattern(tmp_path, "*"), ["a"], 5, 0, allow_fewer=True)


def test_junk_beside_enough_pictures_is_passed_over(tmp_path):
    folder(tmp_path, "a", 3)
    (tmp_path / "a" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "a" / "Thumbs.db").write_bytes(b"x")
    assert len(sampling.sample("d", pattern(tmp_path, "*"), ["a"], None, 0)[0]) == 3


def test_all_missing_folders_are_listed_with_where_it_looked(tmp_path):
    folder(tmp_path, "there", 2)
    with pytest.raises(InputError) as caught:
        sampling.sample("d", pattern(tmp_path), ["gone", "there", "away"], 2, 0)
    assert f"gone: 0 of 2 images in {tmp_path}/gone/*.png" in str(caught.value)
    assert f"away: 0 of 2 images in {tmp_path}/away/*.png" in str(caught.value)
    assert "there:" not in str(caught.value)


def test_a_broken_image_stops_the_sample_by_name(tmp_path):
    folder(tmp_path, "a", 3)
    (tmp_path / "a" / "001.png").write_bytes(b"<html>")
    with pytest.raises(InputError, match=r"001\.png: cannot be decoded"):
        sampling.sample("d", pattern(tmp_path), ["a"], 3, 0)


def test_a_broken_image_is_skipped_recorded_and_replaced_by_the_next_where_asked(tmp_path):
    folder(tmp_path, "a", 12)
    before = sampling.sample("d", pattern(tmp_path), ["a"], 6, 0)[0]
    broken = before[2]["path"]
    with open(broken, "wb") as file:
        file.write(b"<html>")
    chosen, skipped = sampling.sample("d", pattern(tmp_path), ["a"], 6, 0, on_bad_image="skip")
    kept = {row["path"] for row in before} - {broken}
    assert len(chosen) == 6
    assert kept < {row["path"] for row in chosen}
    assert [(row["label"], row["path"]) for row in skipped] == [("a", broken)]
    assert "cannot be decoded" in skipped[0]["reason"]


def test_too_few_whole_images_are_an_error_even_where_broken_ones_are_skipped(tmp_path):
    folder(tmp_path, "a", 4)
    (tmp_path / "a" / "000.png").write_bytes(b"")
    with pytest.raises(InputError, match="a has 3 usable images of 4"):
        sampling.sample("d", pattern(tmp_path), ["a"], 4, 0, on_bad_image="skip")


@pytest.mark.parametrize("label", ["with space", "größe 猫", "a[1]", "what?", "star*"])
def test_labels_are_taken_literally(label, tmp_path):
    folder(tmp_path, label, 3)
    for decoy in ("a1", "whats", "starry"):
        folder(tmp_path, decoy, 1, start=50)
    chosen, _ = sampling.sample("d", pattern(tmp_path), [label], None, 0)
    assert [row["image"] for row in chosen] == [f"{label}/{n:03d}.png" for n in range(3)]


def test_pixels_reach_the_model_as_torchvision_would_give_them(tmp_path):
    noise(50, 40).save(tmp_path / "a.png")
    settings = reading.Preprocessing(24, 16, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    picture = CenterCrop(16)(Resize(24, InterpolationMode.BICUBIC)(noise(50, 40)))
    expected = torch.from_numpy(np.asarray(picture).transpose(2, 0, 1).copy()).double() / 255
    expected = (expected.numpy() - np.reshape(settings.mean, (3, 1, 1))) / np.reshape(settings.std, (3, 1, 1))
    np.testing.assert_allclose(reading.normalised([str(tmp_path / "a.png")], settings)[0], expected, atol=1e-6)
