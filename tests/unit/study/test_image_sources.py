"""Datasets that are no folders, in the configuration: their classes and files, and what planning imports for them."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pyarrow as pa
import pytest
from conftest import REPOSITORY, SCHEMA
from pyarrow.parquet import write_table
from test_refusals import LEAST

from maescope.base.errors import InputError
from maescope.study import folders, settings
from maescope.study.lookups import LookUps
from maescope.study.shard_files import shard_files


def checked(**dataset):
    """The dataset of the least configuration, as it is looked up."""
    return settings.check(LEAST | {"datasets": {"pets": dataset}}, SCHEMA)


@pytest.fixture
def named(tmp_path):
    """A parquet file that names its labels."""
    features = {"info": {"features": {"kind": {"names": ["cat", "big dog"], "_type": "ClassLabel"}}}}
    schema = pa.schema([("kind", pa.int64())], {"huggingface": json.dumps(features)})
    write_table(pa.table({"kind": [0]}, schema=schema), tmp_path / "val-00000-of-00001.parquet")
    return {"parquet": f"{tmp_path}", "columns": {"label": "kind"}}


def test_the_names_in_a_parquet_file_are_the_classes_where_none_are_given(named):
    dataset = checked(**named)["datasets"]["pets"]
    assert dataset["classes"] == dataset["labels"] == ["cat", "big dog"]
    assert checked(**named, classes=["a", "b"])["datasets"]["pets"]["classes"] == ["a", "b"]
    assert checked(**named, classes=["a", "b"], labels=["b"])["datasets"]["pets"]["labels"] == ["b"]


def test_a_name_in_a_parquet_file_that_can_be_no_folder_is_refused_with_the_remedy(tmp_path):
    features = {"info": {"features": {"label": {"names": ["cat/tiger", "dog"], "_type": "ClassLabel"}}}}
    schema = pa.schema([("label", pa.int64())], {"huggingface": json.dumps(features)})
    write_table(pa.table({"label": [0]}, schema=schema), tmp_path / "a.parquet")
    with pytest.raises(
        InputError, match=r"datasets\.pets\.classes.*'cat/tiger'.*its parquet files name it so; give classes"
    ):
        checked(parquet=f"{tmp_path}")
    assert checked(parquet=f"{tmp_path}", classes=["tiger", "dog"])["datasets"]["pets"]["labels"] == ["tiger", "dog"]


def test_a_parquet_file_without_names_needs_classes(tmp_path):
    write_table(pa.table({"label": [0]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"datasets\.pets: give labels \(the folders to use\) or classes"):
        checked(parquet=f"{tmp_path}")


def test_nothing_is_added_to_a_dataset_of_folders():
    """Else its tokens, which are fingerprinted with it, would be made again."""
    assert sorted(checked(pattern="/data/{label}/*.png", classes=["cat", "dog"])["datasets"]["pets"]) == [
        "allow_fewer",
        "classes",
        "count",
        "labels",
        "on_bad_image",
        "pattern",
    ]


@pytest.mark.parametrize(("of", "imported"), [("pattern", False), ("tar", False), ("list", False), ("parquet", True)])
def test_planning_imports_pyarrow_only_to_ask_a_parquet_file_for_its_names(of, imported, named):
    dataset = {"pattern": "/{label}/*", "tar": "/d", "list": "/l.csv"}
    own = named if of == "parquet" else {of: dataset[of], "classes": ["cat", "dog"]}
    code = f"""if True:
        import sys, yaml
        from maescope.study import settings, target_lookups
        schema = yaml.safe_load(open("workflow/schemas/config.schema.yaml"))
        settings.check({LEAST | {"datasets": {"pets": own}}}, schema)
        print("pyarrow" in sys.modules)"""
    environment = {"PYTHONPATH": str(REPOSITORY / "workflow/scripts")}
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert done.stdout == f"{imported}\n", done.stderr


def test_a_named_folder_is_taken_as_it_is_in_the_globs_of_shards(tmp_path):
    place = tmp_path / "[2024] birds"
    place.mkdir()
    for name in ("val-1.tar", "val-0.tar", "train-0.tar", "notes.txt"):
        (place / name).touch()
    config = {
        "folders": {"birds": str(place)},
        "datasets": {"d": {"tar": "{birds}/val-*.tar"}, "e": {"tar": "{birds}"}},
    }
    found = folders.resolve(config)["datasets"]
    assert shard_files("d", found["d"]["tar"], ".tar") == [f"{place}/val-0.tar", f"{place}/val-1.tar"]
    with pytest.raises(InputError, match=r"e: .*/\[2024\] birds has files of several names \(train, val\), as splits"):
        shard_files("e", found["e"]["tar"], ".tar")
    assert shard_files("d", f"{place}/val-1.tar", ".tar") == [f"{place}/val-1.tar"]


def test_files_of_one_split_are_known_by_their_names(tmp_path):
    """As Hugging Face, img2dataset and Spark number them; hidden files are none of them."""
    for number in range(2):
        (tmp_path / f"train-0000{number}-of-00002-a09b74b3ef9c3b5{number}.parquet").touch()
        (tmp_path / f".train-0000{number}.parquet.crc").touch()
    assert len(shard_files("d", f"{tmp_path}", ".parquet")) == 2
    (tmp_path / "0000.parquet").touch()
    with pytest.raises(InputError, match=rf"names \(, train\), as splits have; write which, as {tmp_path}/train-\*"):
        shard_files("d", f"{tmp_path}", ".parquet")


def test_a_list_is_an_input_and_must_be_there(tmp_path):
    look = LookUps(checked(list=f"{tmp_path}/l.csv", classes=["cat", "dog"]))
    pets = SimpleNamespace(dataset="pets")
    with pytest.raises(
        InputError, match=rf"datasets\.pets\.list: there is no file {tmp_path}/l\.csv; correct the path"
    ):
        look.listing(pets)
    (tmp_path / "l.csv").touch()
    assert look.listing(pets) == f"{tmp_path}/l.csv"
    assert LookUps(checked(tar="results/data/digits/test/x.tar", classes=["cat", "dog"])).made(pets) == [
        "results/data/digits/test"
    ]
    own = LookUps(checked(list=f"{tmp_path}/l.csv", root="results/data/digits/test", classes=["cat", "dog"]))
    assert own.made(pets) == ["results/data/digits/test"]
    assert LookUps(checked(tar="/x", classes=["cat", "dog"])).listing(pets) == []
