"""Token files: exact, whole, and refused by name where they are not."""

import itertools
import os
import platform
import shutil
import threading
import time
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from maescope.base import tidy
from maescope.base.errors import InputError, StaleError
from maescope.tokens import disk, store

GONE = 2**31 - 2  # no process has this number
IMAGES, TARGETS, LEVELS = ["0/ä.png", "0/b c.png", "0/d.png"], [3, 3, -1], ["10", "9"]
ATTRIBUTES = {"config_hash": "abc", "weights_sha256": "def", "model": "m", "label": "0"}


def arrays(seed=0, images=3):
    generator = np.random.default_rng(seed)
    return {
        "mean": generator.standard_normal((2, images, 5), dtype=np.float32),
        "head": generator.standard_normal((2, images, 3, 2), dtype=np.float32),
        "logits": generator.standard_normal((images, 4), dtype=np.float32),
        "visible": generator.integers(0, 9, (images, 2)),
        "masked": generator.random((images, 9)) < 0.5,
    }


def write(path, contents=None, batch=3, dtype="float32", **attributes):
    contents = contents or {level: arrays(n) for n, level in enumerate(LEVELS)}
    with store.writing(str(path), IMAGES, TARGETS, LEVELS, ATTRIBUTES | attributes, dtype) as writer:
        for level, data in contents.items():
            for start in range(0, 3, batch):
                part = slice(start, start + batch)
                writer.write(
                    level, start, {k: v[:, part] if k in store.LAYER_FIRST else v[part] for k, v in data.items()}
                )
    return contents


def read_all(path):
    with store.open_tokens(str(path), "abc") as tokens:
        data = {level: {name: tokens.read(level, name) for name in arrays()} for level in tokens.levels}
        return tokens.images, tokens.targets.tolist(), data


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_a_float32_round_trip_is_exact_whatever_the_batches(batch, tmp_path):
    written = write(tmp_path / "0.h5", batch=batch)
    images, targets, data = read_all(tmp_path / "0.h5")
    assert (images, targets, list(data)) == (IMAGES, TARGETS, LEVELS)
    for level, name in itertools.product(LEVELS, arrays()):
        assert data[level][name].dtype == written[level][name].dtype
        assert (data[level][name] == written[level][name]).all()


def test_a_float16_round_trip_is_exact_in_float16_and_leaves_logits_in_float32(tmp_path):
    written = write(tmp_path / "0.h5", dtype="float16")["10"]
    data = read_all(tmp_path / "0.h5")[2]["10"]
    assert (data["mean"] == written["mean"].astype(np.float16).astype(np.float32)).all()
    assert (data["logits"] == written["logits"]).all()
    with h5py.File(tmp_path / "0.h5") as file:
        assert file["levels/10/mean"].dtype == np.float16
        assert file["levels/10/logits"].dtype == np.float32


def test_one_layer_can_be_read_alone_counted_from_one(tmp_path):
    written = write(tmp_path / "0.h5")
    with store.open_tokens(str(tmp_path / "0.h5"), "abc") as tokens:
        assert (tokens.read("9", "head", layer=2) == written["9"]["head"][1]).all()


def test_root_attributes_and_layout_are_those_of_the_contract(tmp_path):
    write(tmp_path / "0.h5")
    with h5py.File(tmp_path / "0.h5") as file:
        assert {"complete", "schema", "dtype", "versions", "levels", "listing", *ATTRIBUTES} == set(file.attrs)
        assert file.attrs["complete"] == 1
        assert file["image"].asstr()[:].tolist() == IMAGES
        assert file["levels/10/head"].shape == (2, 3, 3, 2)
        assert file["levels/10/head"].chunks == (1, 3, 3, 2)
        assert file["levels/10/head"].fletcher32


def test_a_level_that_was_not_written_leaves_no_file(tmp_path):
    with pytest.raises(RuntimeError, match="nothing was written for level 9"):
        write(tmp_path / "0.h5", {"10": arrays()})
    assert list(tmp_path.iterdir()) == []


def test_an_exception_inside_the_block_leaves_no_file_and_no_temporary(tmp_path):
    def interrupted():
        with store.writing(str(tmp_path / "0.h5"), IMAGES, TARGETS, LEVELS, ATTRIBUTES) as writer:
            writer.write("10", 0, arrays())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_rewrite_leaves_the_old_file(tmp_path):
    written = write(tmp_path / "0.h5")
    with pytest.raises(RuntimeError):
        write(tmp_path / "0.h5", {"10": arrays(5)})
    assert (read_all(tmp_path / "0.h5")[2]["10"]["mean"] == written["10"]["mean"]).all()


def test_what_a_killed_job_left_behind_is_removed(tmp_path):
    (tmp_path / f".tmp.{platform.node()}.{GONE}.0.h5").write_bytes(b"half")
    write(tmp_path / "0.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["0.h5"]


def test_an_unknown_level_or_token_is_refused_by_name(tmp_path):
    write(tmp_path / "0.h5")
    with store.open_tokens(str(tmp_path / "0.h5"), "abc") as tokens:
        with pytest.raises(InputError, match=r"0\.h5: has no mean for level 20"):
            tokens.read("20", "mean")
        with pytest.raises(InputError, match=r"0\.h5: has no patch for level 10"):
            tokens.read("10", "patch")


@pytest.mark.parametrize("asked", ["abc", None])
def test_a_file_of_another_schema_is_refused_by_name_whatever_its_settings(tmp_path, asked):
    """As those that an earlier version has written."""
    write(tmp_path / "0.h5")
    with h5py.File(tmp_path / "0.h5", "r+") as file:
        file.attrs["schema"] = store.SCHEMA - 1
    with pytest.raises(StaleError, match=r"0\.h5: was made with other settings; delete it"):
        store.open_tokens(str(tmp_path / "0.h5"), asked).__enter__()


def test_a_file_that_was_never_completed_is_refused_by_name(tmp_path):
    write(tmp_path / "0.h5")
    with h5py.File(tmp_path / "0.h5", "a") as file:
        del file.attrs["complete"]
    with pytest.raises(InputError, match=r"0\.h5: was never completed; delete it"):
        read_all(tmp_path / "0.h5")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused_by_name(share, tmp_path):
    write(tmp_path / "0.h5")
    os.truncate(tmp_path / "0.h5", int(share * (tmp_path / "0.h5").stat().st_size))
    with pytest.raises(InputError, match=r"0\.h5"):
        read_all(tmp_path / "0.h5")


def test_a_file_of_other_settings_is_refused_by_name(tmp_path):
    write(tmp_path / "0.h5", config_hash="other")
    with pytest.raises(InputError, match=r"0\.h5: was made with other settings; delete it"):
        read_all(tmp_path / "0.h5")


def test_what_is_no_hdf5_or_not_there_is_refused_by_name(tmp_path):
    (tmp_path / "0.h5").write_text("<html>")
    for name in ("0.h5", "1.h5"):
        with pytest.raises(InputError, match=rf"{name[0]}\.h5: cannot be opened as HDF5"):
            read_all(tmp_path / name)


def test_a_flipped_bit_in_a_token_is_refused_by_name(tmp_path):
    written = write(tmp_path / "0.h5")
    content = bytearray((tmp_path / "0.h5").read_bytes())
    place = content.find(written["9"]["mean"][1].tobytes())
    assert place > 0
    content[place + 7] ^= 1
    (tmp_path / "0.h5").write_bytes(content)
    with pytest.raises(InputError, match=r"0\.h5: mean of level 9 is damaged"):
        read_all(tmp_path / "0.h5")


def stored_bytes(path):
    """Places in the file of everything that its datasets hold: images, targets and tokens."""
    chunks = []
    with h5py.File(path) as file:
        file.visititems(
            lambda _, item: chunks.extend(
                item.id.get_chunk_info(n)
                for n in range(item.id.get_num_chunks() if isinstance(item, h5py.Dataset) else 0)
            )
        )
    return [place for chunk in chunks for place in range(chunk.byte_offset, chunk.byte_offset + chunk.size)]


def test_a_flipped_bit_in_any_image_name_target_or_token_is_refused_by_name(tmp_path):
    write(tmp_path / "0.h5")
    content, places = (tmp_path / "0.h5").read_bytes(), stored_bytes(tmp_path / "0.h5")
    for name in IMAGES:
        assert content.find(name.encode()) in places
    for number, place in enumerate(places[::19]):
        damaged = bytearray(content)
        damaged[place] ^= 1 << number % 8
        (tmp_path / "0.h5").write_bytes(damaged)
        with pytest.raises(InputError, match=r"0\.h5: .*damaged"):
            read_all(tmp_path / "0.h5")


def test_a_flipped_bit_in_the_description_of_an_array_is_refused_by_name(tmp_path):
    write(tmp_path / "0.h5")
    content = bytearray((tmp_path / "0.h5").read_bytes())
    with h5py.File(tmp_path / "0.h5") as file:
        header = h5py.h5o.get_info(file["image"].id).addr
    assert content[header : header + 4] == b"OHDR"
    content[header + 4] ^= 64
    (tmp_path / "0.h5").write_bytes(content)
    with pytest.raises(InputError, match=r"0\.h5: is damaged"):
        read_all(tmp_path / "0.h5")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused_by_name(value, tmp_path):
    contents = {level: arrays() for level in LEVELS}
    contents["9"]["logits"][1, 2] = value
    write(tmp_path / "0.h5", contents)
    with pytest.raises(InputError, match=r"0\.h5: logits of level 9 has values that are not finite"):
        read_all(tmp_path / "0.h5")


@pytest.mark.parametrize("name", ["mean", "logits"])
def test_arrays_of_another_length_than_the_images_are_refused_by_name(name, tmp_path):
    write(tmp_path / "0.h5")
    with h5py.File(tmp_path / "0.h5", "a") as file:
        del file[f"levels/9/{name}"]
        file[f"levels/9/{name}"] = arrays(images=2)[name]
    with pytest.raises(InputError, match=rf"0\.h5: {name} has 2 of 3 images"):
        read_all(tmp_path / "0.h5")


@pytest.mark.parametrize(("change", "what"), [({"images": ["0/x.png"]}, "images"), ({"weights": "ghi"}, "weights")])
def test_pairs_of_other_images_or_weights_are_refused(change, what):
    def tokens(path, images=("0/a.png",), weights="def"):
        return SimpleNamespace(path=path, images=list(images), attributes={"weights_sha256": weights})

    store.require_pair(tokens("clean.h5"), tokens("blur.h5"))
    with pytest.raises(InputError, match=rf"blur\.h5: .* other {what} than clean\.h5"):
        store.require_pair(tokens("clean.h5"), tokens("blur.h5", **change))


def test_a_disk_that_is_too_full_is_refused_beforehand_with_a_fifth_to_spare(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_200_000_000))
    disk.require_space(tmp_path, 1_000_000_000)
    with pytest.raises(InputError, match=r"1\.200 GB free, but the tokens need 1\.320 GB"):
        disk.require_space(tmp_path, 1_100_000_000)


def test_a_file_of_another_label_in_its_place_is_refused(tmp_path):
    path = tmp_path / "wren.h5"
    arrays = {"cls": np.zeros((1, 1, 2), np.float32)}
    with store.writing(str(path), ["a"], [0], ["clean"], {"config_hash": "h", "label": "wren"}) as writer:
        writer.write("clean", 0, arrays)
    with store.open_tokens(str(path), "h"):
        pass
    path.rename(tmp_path / "robin.h5")
    with pytest.raises(InputError, match=r"robin\.h5: holds the tokens of wren"):
        store.open_tokens(str(tmp_path / "robin.h5"), "h").__enter__()


def test_a_file_replaced_or_deleted_between_two_reads_is_refused_by_name(tmp_path):
    path = tmp_path / "0.h5"
    write(path)
    tokens = store.token_files(["0"], tmp_path, "abc")["0"]
    tokens.read("10", "mean")
    write(path, contents={level: arrays(seed=7) for level in LEVELS})
    with pytest.raises(InputError, match=r"0\.h5: was replaced while it was being read; run this job again"):
        tokens.read("10", "mean")
    path.unlink()
    with pytest.raises(InputError, match=r"0\.h5: cannot be opened as HDF5"):
        tokens.read("10", "mean")


ZEROS = {  # what a sound model may say
    "a head of zeros": ("logits", np.zeros((3, 4), np.float32)),
    "all heads of a layer pruned": ("head", np.stack([np.zeros((3, 3, 2)), np.ones((3, 3, 2))]).astype(np.float32)),
    "one image without heads": ("head", np.ones((2, 3, 3, 2), np.float32) * [[[1]], [[0]], [[1]]]),
    "attention of each patch on itself": ("attention_distance", np.zeros((2, 3, 3), np.float32)),
    "lost to float16": ("mean", np.full((2, 3, 5), 1e-9, np.float32)),
    "CLS on itself": ("cls_attention", np.zeros((2, 3, 3, 9), np.float32)),
    "the first patch alone": ("visible", np.zeros((3, 2), np.int64)),
}


@pytest.mark.parametrize("what", ZEROS)
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_zeros_that_were_written_are_no_damage(what, batch, tmp_path):
    name, zeros = ZEROS[what]
    dtype = "float16" if "float16" in what else "float32"
    write(tmp_path / "0.h5", {level: arrays() | {name: zeros} for level in LEVELS}, batch, dtype)
    store.read_all(str(tmp_path / "0.h5"), "abc")
    with store.open_tokens(str(tmp_path / "0.h5")) as tokens:
        assert np.array_equal(tokens.read("9", name), zeros * (dtype == "float32"))
        if name in store.LAYER_FIRST:
            assert np.array_equal(tokens.read("9", name, layer=1, images=2), zeros[0, :2] * (dtype == "float32"))
            assert sum(map(len, tokens.blocks("9", name, 2))) == 3


@pytest.mark.parametrize("chunk", [1, 2])
@pytest.mark.parametrize("read", ["read_all", "layer", "images", "blocks"])
def test_a_block_that_was_lost_beside_zeros_is_refused_however_it_is_read(chunk, read, tmp_path):
    contents = {level: arrays() for level in LEVELS}
    contents["9"]["head"][:, 0] = contents["9"]["logits"][:] = 0
    write(tmp_path / "0.h5", contents, batch=1)
    lose(tmp_path / "0.h5", "9", "head", 3)  # of layer 2, the first image: zeros that were written
    store.read_all(str(tmp_path / "0.h5"))
    lose(tmp_path / "0.h5", "9", "head", 3 + chunk)
    ways = {
        "read_all": lambda tokens: tokens.read("9", "head"),
        "layer": lambda tokens: tokens.read("9", "head", layer=2),
        "images": lambda tokens: tokens.read("9", "head", images=chunk + 1),
        "blocks": lambda tokens: list(tokens.blocks("9", "head", 2)),
    }
    with store.open_tokens(str(tmp_path / "0.h5"), "abc") as tokens:
        assert not tokens.read("9", "logits").any()
        assert (tokens.read("9", "head", layer=1) == contents["9"]["head"][0]).all()
        with pytest.raises(InputError, match=r"0\.h5: head of level 9 has rows of zeros, a part was lost; delete it"):
            ways[read](tokens)


def lose(path, level, name, chunk):
    """Let a chunk read as zeros, its checksum too, as a block that never reached the disk."""
    with h5py.File(path) as file:
        chunk = file[f"levels/{level}/{name}"].id.get_chunk_info(chunk)
    with open(path, "r+b") as file:
        file.seek(chunk.byte_offset)
        file.write(bytes(chunk.size))


def test_bits_that_fit_the_checksum_of_hdf5_do_not_fit_the_digest(tmp_path):
    """Fletcher32 does not tell 16 zero bits from 16 ones."""
    contents = {level: arrays() | {"visible": np.full((3, 2), 7)} for level in LEVELS}
    write(tmp_path / "0.h5", contents)
    content = bytearray((tmp_path / "0.h5").read_bytes())
    place = content.find(np.full((3, 2), 7).tobytes())
    content[place + 2 : place + 4] = b"\xff\xff"
    (tmp_path / "0.h5").write_bytes(content)
    with h5py.File(tmp_path / "0.h5") as file:
        assert file["levels/10/visible"][0, 0] == 7 + 0xFFFF0000  # HDF5 sees nothing
    with store.open_tokens(str(tmp_path / "0.h5"), "abc") as tokens:
        tokens.read("9", "visible")
        with pytest.raises(InputError, match=r"0\.h5: visible of level 10 is damaged \(another digest\); delete it"):
            tokens.read("10", "visible")


def test_files_from_before_there_were_digests_are_read_and_zeros_in_them_refused(tmp_path):
    written = write(tmp_path / "0.h5", batch=2)
    write(
        tmp_path / "1.h5", {level: arrays() | {"logits": np.zeros((3, 4), np.float32)} for level in LEVELS}, label="1"
    )
    for path in (tmp_path / "0.h5", tmp_path / "1.h5"):
        with h5py.File(path, "r+") as file:
            for dataset in (array for level in file["levels"].values() for array in level.values()):
                del dataset.attrs["digests"]
    assert (read_all(tmp_path / "0.h5")[2]["9"]["head"] == written["9"]["head"]).all()
    with pytest.raises(InputError, match=r"1\.h5: logits of level 10 has rows of zeros, a part was lost; delete it"):
        read_all(tmp_path / "1.h5")


@pytest.mark.parametrize(
    ("shape", "itemsize", "expected"),
    [
        ((90, 65536, 192), 4, 18),  # of 50,331,648 bytes per image, 4.5 GB together: 21 fit, 18 divide 90
        ((90, 65536, 192), 2, 30),
        ((256, 1369, 1024), 4, 128),  # 191 fit
        ((50, 197, 768), 4, 50),
        ((3, 0), 4, 3),
    ],
)
def test_a_chunk_holds_a_batch_or_the_largest_part_of_it_that_fits_a_gibibyte(shape, itemsize, expected):
    assert store.images_per_chunk(shape, itemsize, "patch") == expected
    with pytest.raises(InputError, match=r"^patch: 4\.3 GB per image and layer, but 1\.1 GB is the most; lower img"):
        store.images_per_chunk((1, 1 << 20, 1 << 10), 4, "patch")


@pytest.mark.parametrize(("batch", "step"), [(16, 4), (13, 1), (15, 5), (4, 4)])
def test_batches_that_the_largest_chunk_does_not_divide_are_written_all_the_same(batch, step, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "CHUNK", 5 * 20)  # bytes: 5 images of `mean`, 5 values in float32 each
    names = [str(number) for number in range(40)]
    values = np.random.default_rng(0).normal(size=(2, 40, 5)).astype(np.float32)
    with store.writing(str(tmp_path / "0.h5"), names, [0] * 40, ["clean"], {"config_hash": "abc"}) as writer:
        for start in range(0, 40, batch):
            writer.write("clean", start, {"mean": values[:, start : start + batch]})
    with store.open_tokens(str(tmp_path / "0.h5")) as tokens:
        assert (tokens.read("clean", "mean") == values).all()
        assert tokens.file["levels/clean/mean"].chunks == (1, step, 5)


@pytest.mark.parametrize(("batch", "step"), [(2, 2), (3, 1)])
def test_batches_of_several_chunks_are_read_as_they_were_written(batch, step, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "CHUNK", 40)  # bytes: at most 2 images of `mean`, 1 of `head`, 2 of `logits`
    written = write(tmp_path / "0.h5", batch=batch)
    with h5py.File(tmp_path / "0.h5") as file:
        chunks = {name: array.chunks for name, array in file["levels/9"].items()}
        assert (chunks["mean"], chunks["head"], chunks["logits"]) == ((1, step, 5), (1, 1, 3, 2), (step, 4))
        for array in file["levels/9"].values():
            assert np.prod(array.chunks) * array.dtype.itemsize <= 40
    _, _, data = read_all(tmp_path / "0.h5")
    assert all((data[level][name] == written[level][name]).all() for level in LEVELS for name in arrays())
    lose(tmp_path / "0.h5", "9", "mean", 2 // step)  # the third image of the first layer
    with store.open_tokens(str(tmp_path / "0.h5"), "abc") as tokens:
        assert (tokens.read("9", "mean", layer=1, images=2) == written["9"]["mean"][0, :2]).all()
        with pytest.raises(InputError, match=r"0\.h5: mean of level 9 has rows of zeros"):
            tokens.read("9", "mean", layer=1)


def test_digests_of_more_chunks_than_an_object_header_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "CHUNK", 4)
    names = [str(number) for number in range(20_000)]  # 80 kB of digests
    values = np.arange(20_000, dtype=np.float32)[:, None]
    with store.writing(str(tmp_path / "0.h5"), names, [0] * 20_000, ["clean"], {"config_hash": "abc"}) as writer:
        writer.write("clean", 0, {"logits": values})
    with store.open_tokens(str(tmp_path / "0.h5")) as tokens:
        assert (tokens.read("clean", "logits") == values).all()


def test_a_batch_that_is_no_whole_one_is_refused(tmp_path):
    def odd():
        with store.writing(str(tmp_path / "0.h5"), IMAGES, TARGETS, ["10"], ATTRIBUTES) as writer:
            writer.write("10", 0, arrays(images=2))
            writer.write("10", 1, arrays(images=1))

    with pytest.raises(ValueError, match="images 1 to 2 are no whole batches of 2"):
        odd()
    assert list(tmp_path.iterdir()) == []


def test_the_content_of_a_file_is_what_it_says_and_not_its_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    said = []
    for folder, changes in (("a", {}), ("b", {"dtype": "float16"}), ("b", {"weights_sha256": "ghi"}), ("b", {})):
        write(tmp_path / folder / "0.h5", **changes)
        said.append(store.content(str(tmp_path / folder / "0.h5")))
    assert said[0] == said[3] and len(set(said)) == 3
    write(tmp_path / "b/0.h5", {"10": arrays(0), "9": arrays(2)})
    assert store.content(str(tmp_path / "b/0.h5")) not in said
    tidy.write(store.contents({"0": str(tmp_path / "a/0.h5")}), str(tmp_path / "a.csv"))
    assert (tmp_path / "a.csv").read_text() == f"label,content\n0,{said[0]}\n"
    assert store.still_says(str(tmp_path / "a/0.h5"), said[0])
    assert not store.still_says(str(tmp_path / "b/0.h5"), said[0])
    lose(tmp_path / "a/0.h5", "9", "mean", 0)
    assert store.content(str(tmp_path / "a/0.h5")) == said[0]  # of its digests alone
    assert not store.still_says(str(tmp_path / "a/0.h5"), said[0])
    assert not store.still_says(str(tmp_path / "a/1.h5"), said[0])


def test_labels_of_other_weights_than_the_first_are_refused(tmp_path):
    for label, weights in (("0", "def"), ("1", "def"), ("2", "ghi")):
        write(tmp_path / f"{label}.h5", label=label, weights_sha256=weights)
    store.token_files(["0", "1"], tmp_path, "abc")
    with pytest.raises(InputError, match=r"2\.h5: was made with other weights than .*0\.h5; delete both"):
        store.token_files(["0", "1", "2"], tmp_path, "abc")


@pytest.mark.parametrize("name", ["mean", "head", "logits", "visible", "image", "target"])
def test_a_block_that_was_lost_and_reads_as_zeros_is_refused_by_name(name, tmp_path):
    write(tmp_path / "0.h5", batch=1)
    with h5py.File(tmp_path / "0.h5") as file:
        chunk = (file[name] if name in file else file[f"levels/9/{name}"]).id.get_chunk_info(0)
    with open(tmp_path / "0.h5", "r+b") as file:
        file.seek(chunk.byte_offset)
        file.write(bytes(chunk.size))
    with pytest.raises(InputError, match=r"0\.h5: .*(rows of zeros|images or targets are damaged).*; delete it"):
        read_all(tmp_path / "0.h5")


def test_a_batch_that_was_never_written_is_refused_by_name(tmp_path):
    with store.writing(str(tmp_path / "0.h5"), IMAGES, TARGETS, ["10"], ATTRIBUTES) as writer:
        writer.write("10", 0, arrays(images=2))
    with pytest.raises(InputError, match=r"0\.h5: mean of level 10 has rows of zeros"):
        read_all(tmp_path / "0.h5")


def test_masks_of_nothing_are_no_lost_block(tmp_path):
    contents = {level: arrays() | {"masked": np.zeros((3, 9), bool)} for level in LEVELS}
    write(tmp_path / "0.h5", contents)
    assert not read_all(tmp_path / "0.h5")[2]["9"]["masked"].any()


def test_a_list_stands_for_the_files_of_its_folder(tmp_path):
    """Labels may have dots and spaces; the result has the order that is asked for."""
    for number, label in enumerate(["a", "b.c", "d e"]):
        write(tmp_path / f"blur/{label}.h5", {level: arrays(number) for level in LEVELS}, label=label)
    for where in (tmp_path / "blur", str(tmp_path / "blur"), tmp_path / "blur.csv"):
        files = store.token_files(["d e", "a"], where, "abc")
        assert list(files) == ["d e", "a"]
        assert (files["d e"].read("10", "mean") == arrays(2)["mean"]).all()
    assert store.places(["b.c"], "results/tokens/m/d/blur.csv") == {"b.c": "results/tokens/m/d/blur/b.c.h5"}


def test_a_file_that_another_node_has_written_is_waited_for(tmp_path, monkeypatch, caplog):
    """As where the list is seen before the last files; how long is Snakemake's `--latency-wait`."""
    monkeypatch.setenv("MAESCOPE_LATENCY_WAIT", "30")
    caplog.set_level("INFO")
    write(tmp_path / "blur/0.h5")
    write(tmp_path / "1.h5", label="1")
    late = threading.Timer(0.3, lambda: (tmp_path / "1.h5").rename(tmp_path / "blur/1.h5"))
    late.start()
    began = time.monotonic()
    assert list(store.token_files(["0", "1"], tmp_path / "blur.csv", "abc")) == ["0", "1"]
    assert 0.2 < time.monotonic() - began < 20
    late.join()
    (said,) = (line for line in caplog.messages if "not seen yet" in line)
    assert said == f"{tmp_path}/blur/1.h5: not seen yet, nor 0 others; waiting 30 s at most"


def test_a_file_that_does_not_come_is_named_with_what_makes_it_again(tmp_path, monkeypatch):
    write(tmp_path / "blur/0.h5")
    line = rf"^{tmp_path}/blur/1\.h5: is not there; delete {tmp_path}/blur\.csv to have it made again$"
    for seconds in ("0", "0.5"):
        monkeypatch.setenv("MAESCOPE_LATENCY_WAIT", seconds)
        with pytest.raises(InputError, match=line):
            store.token_files(["0", "1"], tmp_path / "blur.csv", "abc")
    with pytest.raises(InputError, match=r"of_none/0\.h5: is not there"):
        store.paths(["0"], tmp_path / "of_none.csv")
