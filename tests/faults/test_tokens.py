"""Token files that are damaged or do not belong: docs/faults.md rows 23 and 24, and properties of the store.

MAESCOPE_SOAK multiplies examples and flips.
"""

import copy
import itertools
import os
import random
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import REPOSITORY, SCHEMA
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny import SOAK, finish, finished

from maescope.study.settings import check
from maescope.study.target_lookups import TargetLookUps
from maescope.tokens import store

LEVELS, NAMES = ("clean", "Ⅱ"), ["0/ä.png", "0/b c.png", "0/d.png"]
ATTRIBUTES = {"config_hash": "abc", "weights_sha256": "d" * 64, "model": "m", "dataset": "d", "perturbation": "blur"}
ATTRIBUTES |= {"label": "0", "seed": 0, "threads": 1, "device": "cpu"}
CLEAN = "accuracy/vit/pets/clean"
FLIPS = Path(__file__).with_name("flips.py")


# --- round trips ----------------------------------------------------------------------------------------------------

text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
numbers = st.integers(0, 2**32 - 1)


@st.composite
def contents(draw):
    """What a token file may hold: names, targets, levels, arrays of any shape, in one of its types."""
    images = draw(st.lists(text, min_size=1, max_size=7))
    levels = draw(st.lists(text.filter(lambda level: "/" not in level and level != "."), min_size=1, max_size=3))
    layers, dim, heads, patches, classes = (draw(st.integers(1, 5)) for _ in range(5))
    count = len(images)
    shapes = {"cls": (layers, count, dim), "head": (layers, count, heads, dim), "patch": (layers, count, patches, dim)}
    shapes |= {"logits": (count, classes), "rollout": (count, patches)}
    generator = np.random.default_rng(draw(numbers))
    arrays = {
        level: {name: generator.standard_normal(shapes[name]).astype(np.float32) for name in shapes}
        | {"masked": generator.random((count, patches)) < 0.5, "visible": generator.integers(1, 9, (count, patches))}
        for level in dict.fromkeys(levels)
    }
    targets = draw(st.lists(st.integers(-1, 2**40), min_size=count, max_size=count))
    return images, targets, arrays, draw(st.integers(1, count)), draw(st.sampled_from(["float32", "float16"]))


@settings(max_examples=60 * SOAK, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents=contents(), model=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12))
def test_whatever_is_written_is_read_again(contents, model, tmp_path):
    images, targets, arrays, batch, dtype = contents
    path = str(tmp_path / "0.h5")
    attributes = {"config_hash": "abc", "model": model}
    with store.writing(path, images, targets, list(arrays), attributes, dtype) as writer:
        for start, (level, own) in itertools.product(range(0, len(images), batch), arrays.items()):
            part = slice(start, start + batch)
            taken = {name: own[name][:, part] if name in store.LAYER_FIRST else own[name][part] for name in own}
            writer.write(level, start, taken)
    with store.open_tokens(path, "abc") as tokens:
        assert (tokens.images, tokens.levels, tokens.attributes["model"]) == (images, list(arrays), model)
        assert tokens.targets.tolist() == targets
        for level, own in arrays.items():
            for name, array in own.items():
                wanted = array.astype(dtype).astype(np.float32) if name in store.LAYER_FIRST else array
                read = tokens.read(level, name)
                assert read.dtype == wanted.dtype and np.array_equal(read, wanted)


# --- truncation and bit flips: row 24 -------------------------------------------------------------------------------


def written(path, images=3, width=5):
    """A token file with every kind of array and all attributes of the real ones."""
    generator, names = np.random.default_rng(0), [NAMES[n % 3] for n in range(images)]
    with store.writing(str(path), names, [3] * images, LEVELS, ATTRIBUTES) as writer:
        for level in LEVELS:
            arrays = {"mean": (2, images, width), "head": (2, images, 3, width), "logits": (images, width)}
            arrays = {name: generator.standard_normal(shape, dtype=np.float32) for name, shape in arrays.items()}
            arrays["visible"] = generator.integers(1, 9, (images, 2))
            writer.write(level, 0, arrays | {"masked": generator.random((images, 9)) < 0.5})
    return path


def verdicts(folder, make, numbers, *options):
    """What becomes of each damage, by its number, half of them in each of two processes that may not hang."""

    def half(part):
        path = folder / str(part) / "0.h5"
        path.parent.mkdir()
        command = [sys.executable, FLIPS, *options, make(path)]
        environment = dict(os.environ, PYTHONPATH=str(REPOSITORY / "workflow/scripts"))
        given = " ".join(map(str, numbers[part::2]))
        try:
            done = subprocess.run(
                command, env=environment, input=given, capture_output=True, text=True, timeout=120 * SOAK
            )
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"hangs at {(error.stdout or b'').decode().splitlines()[-1:]}") from None
        assert done.returncode == 0, (done.stdout.splitlines()[-1:], done.stderr)
        return [line.split(" ", 1) for line in done.stdout.splitlines()]

    with ThreadPoolExecutor(2) as pool:
        found = {int(number): verdict for number, verdict in itertools.chain(*pool.map(half, (0, 1)))}
    assert found.keys() == set(numbers)
    return found


def strange(found):
    return {number: verdict for number, verdict in found.items() if verdict not in ("refused", "same")}


def test_row_24_a_bit_flipped_anywhere_is_refused_or_changes_nothing(tmp_path):
    """At every fifth byte, and in a soak at all of them: each takes 25 ms to look at."""
    size = written(tmp_path / "0.h5").stat().st_size
    places = range(0, size, 5 if SOAK == 1 else 1)
    bits = [8 * byte + (byte + turn) % 8 for turn in range(min(SOAK, 8)) for byte in places]
    found = verdicts(tmp_path, written, bits)
    assert strange(found) == {}
    assert list(found.values()).count("refused") > 0.9 * len(bits)


def test_row_24_bits_flipped_in_a_larger_file_are_refused_or_change_nothing(tmp_path):
    def large(path):
        return written(path, images=200, width=50)

    size = large(tmp_path / "0.h5").stat().st_size
    bits = random.Random(24).sample(range(8 * size), 400 * SOAK)
    assert strange(verdicts(tmp_path, large, bits)) == {}


def test_row_24_a_file_cut_off_anywhere_is_refused(tmp_path):
    size = written(tmp_path / "0.h5").stat().st_size
    assert set(verdicts(tmp_path, written, list(range(size)), "--cut").values()) == {"refused"}


def test_row_24_a_larger_file_cut_off_at_any_block_is_refused(tmp_path):
    def large(path):
        return written(path, images=400, width=100)

    size = large(tmp_path / "0.h5").stat().st_size
    cuts = [*range(0, size, 4096), size - 1]
    assert len(cuts) > 300
    assert set(verdicts(tmp_path, large, cuts, "--cut").values()) == {"refused"}


# --- in the workflow: rows 23 and 24 --------------------------------------------------------------------------------


@pytest.fixture
def study(tmp_path_factory):
    yield from finished(tmp_path_factory)


def other_seed(config):
    config["seed"] = 1


def other_classes(config):
    config["datasets"]["pets"]["classes"].reverse()


def changed(**attributes):
    """A file whose attributes say something else, all checksums right."""

    def change(path):
        with h5py.File(path, "r+") as file:
            for name, value in attributes.items():
                file.attrs[name] = np.array(value.encode(), dtype=h5py.string_dtype("utf-8", len(value)))

    return change


def of_another_class(path):
    shutil.copy(path.with_name("dog.h5"), path)


def of_zero_rows(path):
    with h5py.File(path, "r+") as file:
        for level in file["levels"].values():
            for dataset in level.values():
                dataset[...] = 0


def without_rows(path):
    with h5py.File(path, "r+") as file:
        for level in file["levels"].values():
            shape, kind = level["logits"].shape, level["logits"].dtype
            del level["logits"]
            level.create_dataset("logits", (0, *shape[1:]), kind)


def flipped(path):
    with h5py.File(path) as file:
        level = next(iter(file["levels"].values()))
        place = level["logits"].id.get_chunk_info(0).byte_offset
    with open(path, "r+b") as file:
        file.seek(place + 3)
        byte = file.read(1)[0]
        file.seek(place + 3)
        file.write(bytes([byte ^ 64]))


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


DAMAGE = [
    pytest.param(of_another_class, "holds the tokens of dog; delete it", id="23-class"),
    pytest.param(changed(weights_sha256="0" * 64), "was made with other weights than .*; delete both", id="23-weights"),
    pytest.param(flipped, "logits of level clean is damaged .*; delete it", id="24-flipped"),
    pytest.param(cut, "cannot be opened as HDF5 .*; delete it", id="24-truncated"),
    pytest.param(of_zero_rows, "logits of level clean has rows of zeros, a part was lost; delete it", id="24-zeros"),
    pytest.param(without_rows, "logits has 0 of 3 images; delete it", id="24-no-rows"),
]


def refused(study, damage, message):
    """The clean accuracy is not made from a file that was changed, and as it was once that is put right."""
    clean = study / "results/tokens/vit/pets/clean/cat.h5"
    measure, log = (study / f"results/{path}" for path in (f"measures/{CLEAN}.parquet", f"logs/{CLEAN}.log"))
    job = study.job_making("accuracy", f"measures/{CLEAN}.parquet")
    damage(clean)
    measure.unlink()
    assert finish(job.start()) == 1
    assert re.fullmatch(rf"error: results/tokens/vit/pets/clean/\w+\.h5: {message}.*\n", log.read_text()), (
        log.read_text()
    )
    assert not measure.exists()
    clean.write_bytes((study.reference / "tokens/vit/pets/clean/cat.h5").read_bytes())
    assert finish(job.start()) == 0
    assert study.differing() == []


@pytest.mark.parametrize(("damage", "message"), DAMAGE)
def test_rows_23_and_24_a_measure_refuses_a_file_that_was_put_in_place(study, damage, message):
    refused(study, damage, message)


@pytest.mark.parametrize("change", [other_seed, other_classes])
def test_row_23_a_measure_refuses_a_file_of_a_study_with_other_settings(study, change):
    """Of the same pictures and weights: nothing but the one setting differs."""
    config, of = study.config(), ("vit", "pets", "clean")
    own = TargetLookUps(check(copy.deepcopy(config), SCHEMA)).config_hash_of(*of)
    with h5py.File(study / "results/tokens/vit/pets/clean/cat.h5") as file:
        assert file.attrs["config_hash"].decode() == own
    change(config)
    other = TargetLookUps(check(config, SCHEMA)).config_hash_of(*of)
    refused(study, changed(config_hash=other), "was made with other settings; delete it")


def test_rows_23_and_24_nothing_is_made_of_them_and_once_deleted_all_is_as_it_was(study):
    """As a disk damages them, which changes no time: only who reads them knows."""
    damage = {"blur": of_another_class, "occlusion": flipped}
    files = [study / f"results/tokens/vit/pets/{name}/cat.h5" for name in damage]
    for path, change in zip(files, damage.values(), strict=True):
        then = path.stat()
        change(path)
        os.utime(path, ns=(then.st_atime_ns, then.st_mtime_ns))
    measures = [f"results/measures/accuracy/vit/pets/{name}.parquet" for name in damage]
    for path in measures:
        (study / path).unlink()
    said = study.run("--keep-going", "--", *measures, "table_1", "figure_5")
    assert said.returncode == 1
    for path in files:
        assert f"error: {path.relative_to(study.folder)}: " in said.stdout
    assert not any((study / path).exists() for path in measures)
    assert not [name for name in study.half_made() if not name.startswith("tokens")]  # older tables are as they were
    for path in files:
        path.unlink()
    study.must_run("--", *measures, "table_1", "figure_5")
    assert study.differing() == []


def deleted(path):
    path.unlink()


def of_another_study(path):
    """A whole file, in the place of one that was made with other settings."""
    with store.open_tokens(str(path)) as file:
        arrays = {
            level: {name: file.read(level, name) for name in file.file[f"levels/{level}"]} for level in file.levels
        }
        images, targets, levels = file.images, file.targets, file.levels
        attributes = {name: file.attributes[name] for name in ("weights_sha256", "label", "seed", "origin")}
    with store.writing(str(path), images, targets, levels, attributes | {"config_hash": "0" * 64}) as writer:
        for level in levels:
            writer.write(level, 0, arrays[level])


LOST = [deleted, flipped, cut, of_another_class, of_zero_rows, without_rows, of_another_study]


@pytest.mark.parametrize("damage", LOST)
def test_rows_23_and_24_the_next_run_makes_a_label_again_alone(study, damage):
    """What was deleted, or is newer than the list that says what it was; the other label stays as it is, and then so
    does everything."""
    folder = study / "results/tokens/vit/pets/blur"
    then = (folder / "dog.h5").stat()
    damage(folder / "cat.h5")
    said = study.must_run("table_1")
    line = "results/tokens/vit/pets/blur.csv: token files of cat are gone, or not what they were; they are made again"
    assert said.count(line) == 1, said
    other = (folder / "dog.h5").stat()
    assert (other.st_ino, other.st_mtime_ns) == (then.st_ino, then.st_mtime_ns)
    assert "1 of 2 labels" in (study / "results/logs/extract/vit/pets/blur.log").read_text()
    assert study.differing() == []
    assert "Nothing to be done" in study.must_run("--dry-run", "table_1", "figure_5", "figure_8", "table_3")


def test_row_24_what_is_damaged_is_named_by_a_plan_which_changes_nothing(study):
    folder = study / "results/tokens/vit/pets/blur"
    (folder / "cat.h5").unlink()
    flipped(folder / "dog.h5")
    before = (folder / "dog.h5").read_bytes()
    for _ in range(2):
        said = study.must_run("--dry-run", "table_1")
        assert "blur.csv: token files of cat, dog are gone, or not what they were" in said
        rules = re.findall(r"^ *(?:local)?rule (\w+):", said, re.MULTILINE)
        assert sorted(rules) == ["accuracy", "extract_pets", "table_1"]
    assert (folder / "dog.h5").read_bytes() == before and (study / "results/tokens/vit/pets/blur.csv").is_file()


def test_row_24_a_list_that_is_damaged_is_made_again_whatever_its_time_and_hides_no_other_reason(study):
    """Snakemake leaves out jobs whose input functions fail, and would say that there is nothing to be done."""
    path = study / "results/tokens/vit/pets/blur.csv"
    then = path.stat()
    for text in (b"", b"\xff\x00" * 40, b"label,content\n", b"a,b\n1,2\n"):
        path.write_bytes(text)
        os.utime(path, ns=(then.st_atime_ns, then.st_mtime_ns))
        assert ("extract_pets", "vit", "pets", "blur") in study.plan("table_1"), text
    said = study.must_run("table_1")
    assert said.count("results/tokens/vit/pets/blur.csv: does not list all of its token files; it is made again") == 1
    assert "2 of 2 labels" in (study / "results/logs/extract/vit/pets/blur.log").read_text()
    assert study.differing() == []
    assert "Nothing to be done" in study.must_run("--dry-run", "table_1", "figure_5", "figure_8", "table_3")


def test_row_24_touching_all_hides_no_token_file_that_says_something_else(study):
    """The list would be newer than the file, which no plan would read again."""
    path = study / "results/tokens/vit/pets/blur/cat.h5"
    path.write_bytes(b"")
    study.must_run("--touch", "table_1", "table_3")
    assert ("extract_pets", "vit", "pets", "blur") in study.plan("table_1")


def test_token_files_that_were_removed_once_measured_are_not_made_again(study):
    """As where results were copied without them; a run that needs them says at once which lists are to be deleted."""
    shutil.rmtree(study / "results/tokens/vit/pets/blur")
    assert "Nothing to be done" in study.must_run("--dry-run", "table_1", "figure_8")
    measure = "results/measures/accuracy/vit/pets/blur.parquet"
    (study / measure).unlink()
    said = study.run("--latency-wait", "0", "--", measure)
    where = "results/tokens/vit/pets/blur"
    assert said.returncode == 1
    assert f"{where}.csv: the token files that these list are gone" in said.stdout
    assert re.search(r"\b0 of \d+ jobs done", said.stdout)  # told before any of them
    touched = "results/measures/alignment/vit/pets/blur.parquet"
    study.must_run("--touch", "--force", "--", touched)  # runs none
    (study / f"{where}.csv").unlink()
    study.must_run("--", measure, "table_1")
    assert study.differing() == []


def test_labels_without_their_list_are_taken_over(study):
    """As where it was not copied along: they are read, and none is computed."""
    where = study / "results/tokens/vit/pets/blur"
    times = {path: path.stat().st_mtime_ns for path in where.iterdir()}
    (study / "results/tokens/vit/pets/blur.csv").unlink()
    assert "Nothing to be done" in study.must_run("--dry-run", "table_1")
    study.must_run("results/tokens/vit/pets/blur.csv")
    assert "2 of 2 labels" in (study / "results/logs/extract/vit/pets/blur.log").read_text()
    assert {path: path.stat().st_mtime_ns for path in where.iterdir()} == times
    assert study.differing() == []
