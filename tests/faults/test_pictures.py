"""Pictures as people have them, through the real workflow: whose they are, what may be read, what a mean is of.

Right values are worked out here with scipy, or counted by hand.
"""

import io
import struct
import tarfile
import zlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from conftest import Workflow
from PIL import Image
from pyarrow.parquet import write_table
from safetensors.torch import save_file
from scipy.ndimage import correlate1d
from test_faults import dataset, pets, picture, state, study

from maescope.base import tidy


def with_chunk(path, kind, content):
    """A PNG of noise with one more chunk before its end."""
    whole = picture(path).read_bytes()
    chunk = struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    path.write_bytes(whole[:-12] + chunk + whole[-12:])


def shards_of(folder):
    """Datasets of the pictures of a folder in every other form, and one that cannot be."""
    names = sorted(str(path.relative_to(folder)) for path in folder.glob("*/*"))
    lines = "".join(f"{name},{name.split('/')[0]}\n" for name in names)
    (folder / "pets.csv").write_text(f"path,label\n{lines}")
    cells = [{"bytes": (folder / name).read_bytes(), "path": name.split("/")[1]} for name in names]
    table = pa.table({"image": cells, "label": [name.split("/")[0] for name in names]})
    write_table(table, folder / "pets.parquet")
    for mode, ending in (("w", ""), ("w:gz", ".gz")):
        with tarfile.open(folder / f"pets.tar{ending}", mode) as archive:
            for name in names:
                archive.add(folder / name, name)
                label = tarfile.TarInfo(f"{name.split('.')[0]}.cls")
                label.size = 3
                archive.addfile(label, io.BytesIO(name[:3].encode()))
    forms = {"list": "pets.csv", "parquet": "pets.parquet", "tar": "pets.tar"}
    entries = {f"of_{kind}": {kind: f"{folder}/{name}"} for kind, name in forms.items()}
    entries |= {"of_folders": {"pattern": f"{folder}/{{label}}/*"}, "packed": {"tar": f"{folder}/pets.tar.gz"}}
    return {name: entry | {"classes": ["cat", "dog"]} for name, entry in entries.items()}


class Sampled:
    """One run that samples many datasets."""

    def __init__(self, folder):
        self.sets, entries = folder / "sets", {}
        for label in ("cat", "cat_big"):  # case 3
            for number in range(4):
                picture(self.sets / f"flat/{label}_{number}.png")
        entries["flat"] = dataset(self.sets, pattern=f"{self.sets}/flat/{{label}}_*.png", classes=["cat", "cat_big"])
        pets(self.sets / "strip")  # case 5, at the 16 px of this study
        Image.new("L", (400_000, 1)).save(self.sets / "strip/cat/long.png")
        entries["strip"] = dataset(self.sets / "strip", count=None)
        entries["strip_skipped"] = entries["strip"] | {"on_bad_image": "skip"}
        for label in ("cat", "dog"):  # case 9
            for place in (
                "1.png",
                "2.PNG",
                "3.jfif",
                "a/1.png",
                "a/2.png",
                "a/3.png",
                "a/b/1.png",
                "a/b/2.png",
                "c/1.png",
            ):
                picture(self.sets / "deep" / label / place)
        entries["deep"] = dataset(self.sets, pattern=f"{self.sets}/deep/{{label}}/**/*", count=9)
        for name, kind, content in (  # cases 13 and 14
            ("large", b"iCCP", b"name\0\0" + zlib.compress(np.random.default_rng(0).bytes(2_000_000))),
            ("text", b"zTXt", b"key\0\0" + zlib.compress(bytes(2_000_000))),
            ("empty", b"iCCP", b""),
        ):
            pets(self.sets / name)
            with_chunk(self.sets / name / "cat/odd.png", kind, content)
            entries[name] = dataset(self.sets / name, count=None, on_bad_image="skip")
        for name in ("[2024] birds", "[ab]", "a"):  # case 21
            pets(self.sets / name)
        for name in ("birds", "brackets"):
            entries[name] = dataset(self.sets, pattern=f"{{{name}}}/{{label}}/*")
        entries["written"] = dataset(self.sets, pattern=f"{self.sets}/[ab]/{{label}}/*")
        pets(self.sets / "pets")
        entries |= shards_of(self.sets / "pets")
        save_file(state(), folder / "vit.safetensors")
        config = study(folder / "vit.safetensors", self.sets / "pets")
        config["datasets"] |= entries
        config["folders"] = {"birds": f"{self.sets}/[2024] birds", "brackets": f"{self.sets}/[ab]"}
        self.workflow = Workflow(folder / "clone")
        self.workflow.configure(config)
        self.said = self.workflow.run("--keep-going", "--", *(f"results/images/{name}.csv" for name in entries)).stdout

    def rows(self, name):
        return tidy.read([self.workflow / f"results/images/{name}.csv"])

    def skipped(self, name):
        return tidy.read([self.workflow / f"results/images/{name}.skipped.csv"])


@pytest.fixture(scope="module")
def sampled(tmp_path_factory):
    return Sampled(tmp_path_factory.mktemp("sampled"))


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("flat", "datasets.flat.pattern: {sets}/flat/cat_big_0.png is found for cat and for cat_big; write a pattern"),
        (
            "strip",
            "{sets}/strip/cat/long.png: 400000 x 1 px, one side more than 1000 times the other; cut it, or set",
        ),
        (
            "packed",
            "datasets.packed.tar: {sets}/pets/pets.tar.gz: is compressed (gzip), so no picture in it can be read",
        ),
        ("written", "there is a folder {sets}/[ab]; write [[]ab] for it, or name it among folders"),
    ],
)
def test_what_cannot_be_taken_is_refused_by_name_while_sampling(sampled, name, line):
    assert line.format(sets=sampled.sets) in sampled.said
    assert not list((sampled.workflow / "results/images").glob(f"{name}.*"))


@pytest.mark.parametrize(("name", "file"), [("strip_skipped", "long.png"), ("empty", "odd.png")])
def test_what_may_be_skipped_is_skipped_and_named(sampled, name, file):
    assert sampled.rows(name).groupby("label").size().to_dict() == {"cat": 3, "dog": 3}
    (row,) = sampled.skipped(name).to_dict("records")
    assert row["path"].endswith(f"/cat/{file}") and row["path"] in row["reason"]


def test_pictures_in_folders_of_folders_are_all_taken(sampled):
    assert sampled.rows("deep").groupby("label").size().to_dict() == {"cat": 9, "dog": 9}


@pytest.mark.parametrize("name", ["large", "text"])
def test_whole_pictures_with_much_else_in_them_are_taken(sampled, name):
    assert "cat/odd.png" in set(sampled.rows(name)["image"]) and sampled.skipped(name).empty


@pytest.mark.parametrize(("name", "folder"), [("birds", "[2024] birds"), ("brackets", "[ab]")])
def test_named_folders_are_taken_as_they_are(sampled, name, folder):
    rows = sampled.rows(name)
    assert len(rows) == 6 and rows["path"].str.startswith(f"{sampled.sets}/{folder}/").all()
    assert rows["image"].tolist()[0] == "cat/0.png"  # wherever the folder lies


def test_a_list_has_the_sizes_of_its_pictures(sampled):
    assert sampled.rows("birds")[["width", "height"]].drop_duplicates().to_numpy().tolist() == [[24, 20]]


@pytest.mark.parametrize("kind", ["list", "parquet", "tar"])
def test_pictures_in_other_forms_are_those_of_folders(sampled, kind):
    rows, expected = sampled.rows(f"of_{kind}"), sampled.rows("of_folders")
    same = ["label", "image", "target", "width", "height"]
    assert rows[same].equals(expected[same]) and len(rows) == 6
    assert (
        set(rows.columns) - set(expected.columns)
        == {
            "list": set(),
            "parquet": {"row", "column", "digest"},
            "tar": {"start", "length", "digest"},
        }[kind]
    )


def test_a_list_that_was_edited_is_drawn_from_again(sampled):
    workflow, images = sampled.workflow, "results/images/of_list.csv"
    assert workflow.plan(images) == []
    listed = sampled.sets / "pets/pets.csv"
    listed.write_text("".join(listed.read_text().splitlines(keepends=True)[:-1]))
    assert workflow.plan(images) == [("sample", "of_list")]
    workflow.must_run(images)
    assert len(sampled.rows("of_list")) == 5


# ---- Case 1: a black picture among others ----------------------------------------------------------------------------

LEVELS = {"I": (3, 0.6), "II": (5, 1.0), "III": (7, 2.0)}


def psnr_db(path, kernel, sigma):
    """Of one picture of the size of the input, by scipy."""
    clean = np.asarray(Image.open(path), dtype=np.float64) / 255
    offsets = np.arange(kernel) - kernel // 2
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    blurred = clean
    for axis in (0, 1):
        blurred = correlate1d(blurred, weights / weights.sum(), axis, mode="mirror")
    return -10 * np.log10(np.square(blurred - clean).mean())


def test_one_flat_picture_decides_neither_a_mean_of_table_1_nor_its_order(tmp_path):
    """Black here; white and grey, which rounding leaves at 140 dB, are in tests/unit/measures/test_quality.py."""
    paths = [picture(tmp_path / f"pets/{'cat' if n % 2 else 'dog'}/{n}.png", size=(16, 16), seed=n) for n in range(7)]
    Image.new("RGB", (16, 16), "black").save(tmp_path / "pets/cat/9.png")
    save_file(state(), tmp_path / "vit.safetensors")
    config = study(tmp_path / "vit.safetensors", tmp_path / "pets")
    config["datasets"]["pets"]["count"] = 4
    levels = {level: {"kernel": kernel, "sigma": sigma} for level, (kernel, sigma) in LEVELS.items()}
    config["perturbations"]["blur"]["levels"] = levels
    workflow = Workflow(tmp_path / "clone")
    workflow.configure(config)
    workflow.must_run("table_1")
    table = pd.read_csv(workflow / "results/pets/tables/table_1.csv").set_index("level")
    for level, (kernel, sigma) in LEVELS.items():
        assert table.loc[level, "psnr_db"] == pytest.approx(
            np.mean([psnr_db(p, kernel, sigma) for p in paths]), abs=1e-3
        )
    assert table.loc[list(LEVELS), "order_by_psnr"].tolist() == [1, 2, 3]
    assert "1 of 8 images are flat" in (workflow / "results/pets/tables/table_1.md").read_text()


# ---- Case 8: corrupted pictures of clean ones in folders -------------------------------------------------------------


def test_corrupted_pictures_are_paired_with_clean_ones_of_the_same_folder_or_refused(tmp_path):
    for label in ("cat", "dog"):
        for part in ("a", "b"):
            picture(tmp_path / f"val/{label}/{part}/1.png", size=(16, 16))
            for severity in "12345":
                picture(tmp_path / f"tree/fog/{severity}/{label}/{part}/1.png", size=(16, 16))
                picture(tmp_path / f"tree/snow/{severity}/{label}/1.png", size=(16, 16))
    save_file(state(), tmp_path / "vit.safetensors")
    config = study(tmp_path / "vit.safetensors", tmp_path / "val")
    config["datasets"]["pets"] |= {"pattern": f"{tmp_path}/val/{{label}}/*/*.png", "count": 2}
    for name in ("fog", "snow"):
        config["perturbations"][name] = {"kind": "corruption", "folder": str(tmp_path / "tree")}
    workflow = Workflow(tmp_path / "clone")
    workflow.configure(config)
    done = workflow.run(
        "--keep-going", "--", *(f"results/measures/accuracy/vit/pets/{n}.parquet" for n in ("fog", "snow"))
    )
    said = "tree/snow/1/cat/1.png: several clean images of cat have this name; put corrupted images in folders"
    assert done.returncode == 1 and f"{tmp_path}/{said}" in done.stdout
    made = {path.parent.name for path in (workflow / "results/tokens").glob("vit/pets/*/*.h5")}
    assert made == {"fog"} and (workflow / "results/measures/accuracy/vit/pets/fog.parquet").is_file()
