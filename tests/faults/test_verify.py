"""What `make verify` says of results, and what they say of themselves."""

import hashlib
import html
import json
import os
import re
import shutil
from pathlib import Path

import h5py
import pytest
import warm
import yaml
from conftest import REPOSITORY
from PIL import Image

from maescope.base import table_files

TOKENS = "results/tokens/mae_finetuned/three"
ACCURACY = "results/measures/accuracy/mae_finetuned/three"
TABLE = "results/smoke/tables/table_1"


def verify(workflow, config=None):
    """Exit code of `make verify`, what is said of each file that is not whole, and the last line."""
    command = [workflow / "tools/verify.py", *([config] if config else [])]
    done = warm.run(command, workflow.folder, dict(os.environ))
    *lines, last = (done.stdout or done.stderr).splitlines()
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, {line.split(": ")[1]: line for line in lines}, last


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def turn_around(path):
    """The same rows from the last to the first."""
    rows = table_files.read(path)
    with table_files.writing(path, *rows) as write:
        write(rows.iloc[::-1])


@pytest.fixture(scope="module")
def faulty(finished, tmp_path_factory):
    """A copy of the finished run with many faults, each in a file of its own, judged once."""
    finished = finished.moved(tmp_path_factory.mktemp("faulty") / "run")
    turn_around(finished / f"{ACCURACY}/clean.parquet")
    with h5py.File(finished / f"{TOKENS}/blur/0.h5", "r+") as file:
        file.attrs.update({"seed": 1, "config_hash": "0" * 64})
    with h5py.File(finished / f"{TOKENS}/blur/1.h5", "r+") as file:
        file.attrs["weights_sha256"] = "0" * 64
    with h5py.File(finished / f"{TOKENS}/gaussian_noise/0.h5", "r+") as file:
        file["image"][0] = b"0/other.png"
        listing = [[name.decode() for name in file["image"]], file["target"][:].tolist()]
        file.attrs["listing"] = hashlib.sha256(json.dumps(listing).encode()).hexdigest()
    cut = finished / f"{TOKENS}/occlusion/1.h5"
    cut.write_bytes(cut.read_bytes()[:9000])
    with h5py.File(finished / f"{TOKENS}/clean/2.h5") as file:
        offset = file["levels/clean/logits"].id.get_chunk_info(0).byte_offset
    flipped = bytearray((finished / f"{TOKENS}/clean/2.h5").read_bytes())
    flipped[offset] ^= 1
    (finished / f"{TOKENS}/clean/2.h5").write_bytes(flipped)
    shutil.copy(finished / f"{TOKENS}/frost/0.h5", finished / f"{TOKENS}/frost/9.h5")
    (finished / f"{TABLE} (my copy).csv").write_text("a,b\n")
    (finished / "results/measures/accuracy/notes.txt").write_text("mine")
    (finished / f"{TABLE.replace('table_1', '.tmp.1.table_1')}.csv").write_text("half")
    return verify(finished)


def test_a_finished_run_is_whole(finished):
    code, said, last = verify(finished)
    assert (code, said) == (0, {}) and re.fullmatch(r"\d+ whole", last)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (f"{ACCURACY}/clean.parquet", "damaged: .* not as the workflow wrote it .* delete it to have it made again"),
        (f"{TABLE}.csv", f"stale: .* made from another {ACCURACY}/clean.parquet; put that back, or delete it"),
        (f"{TOKENS}/blur/0.h5", "stale: .* made with other settings; delete it to have it made again"),
        (f"{TOKENS}/blur/1.h5", "stale: .* weights of SHA-256 000000000000..., which are not the model's; delete it"),
        (f"{TOKENS}/occlusion/1.h5", "damaged: .* cannot be opened as HDF5 .* delete it to have it made again"),
        (f"{TOKENS}/clean/2.h5", "damaged: .* logits of level clean is damaged .* delete it"),
        (f"{TOKENS}/frost/9.h5", "damaged: .* holds the tokens of 0; delete it"),
        (f"{TOKENS}/gaussian_noise/0.h5", "stale: .* holds other images than results/images lists; delete it"),
        (f"{TABLE} (my copy).csv", "foreign: .* the workflow did not write it; move it away"),
        ("results/measures/accuracy/notes.txt", "foreign: .* the workflow did not write it; move it away"),
        ("results/smoke/tables/.tmp.1.table_1.csv", "foreign: .* was killed, left it; delete it if none runs"),
    ],
)
def test_each_fault_is_named_with_its_word_and_its_remedy(faulty, path, message):
    code, said, last = faulty
    assert code == 1
    assert re.match(message, said[path])
    assert re.search(r"\d+ damaged, 3 foreign, \d+ stale, \d+ whole", last)


def test_what_has_no_fault_is_whole_beside_it(faulty):
    fine = {f"{TOKENS}/blur/2.h5", f"{TOKENS}/occlusion/0.h5", "results/models/supervised.loss.csv"}
    assert not fine & set(faulty[1])


def test_what_extractions_have_left_that_have_not_ended_is_named_and_no_fault(smoke):
    for model in ("mae_finetuned", "renamed"):
        (smoke / f"results/tokens/{model}/three/lost").mkdir(parents=True)
        shutil.copy(smoke / f"{TOKENS}/blur/0.h5", smoke / f"results/tokens/{model}/three/lost")
    (smoke / f"{TOKENS}/blur.csv").rename(smoke / "blur.csv")
    _, said, _ = verify(smoke)
    assert "3 labels, 0.000 GB: the extraction has not ended; its next attempt takes over" in said[f"{TOKENS}/blur"]
    for model in ("mae_finetuned", "renamed"):
        line = said[f"results/tokens/{model}/three/lost"]
        assert "1 label, 0.000 GB: nothing makes them with this configuration; if no other study does" in line
    (smoke / "blur.csv").rename(smoke / f"{TOKENS}/blur.csv")
    code, said, last = verify(smoke)
    assert code == 0 and len(said) == 2 and re.fullmatch(r"\d+ whole", last)


def test_what_was_made_from_an_edited_file_is_stale_when_that_is_deleted(smoke):
    """Snakemake makes the table again from the edited file, and nothing once that is gone."""
    edited = smoke / f"{ACCURACY}/blur.parquet"
    turn_around(edited)
    smoke.must_run("table_1")
    edited.unlink()
    assert smoke.plan("table_1") == []
    code, said, _ = verify(smoke)
    assert code == 1 and said[f"{TABLE}.csv"].startswith("stale: ")
    assert f"made from another {ACCURACY}/blur.parquet" in said[f"{TABLE}.csv"]


def test_another_seed_makes_all_that_depends_on_it_stale(finished, tmp_path):
    config = finished.config() | {"seed": 1}
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    code, said, last = verify(finished, tmp_path / "other.yaml")
    assert code == 1 and "whole" not in last
    for path in (f"{TOKENS}/clean/0.h5", f"{ACCURACY}/clean.parquet", f"{TABLE}.md", "results/images/three.csv"):
        assert said[path].startswith("stale: ")


def test_a_level_more_makes_its_own_results_stale_and_no_others(finished, tmp_path):
    config = finished.config()
    config["perturbations"]["blur"]["levels"]["III"] = {"kernel": 5, "sigma": 3.0}
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    code, said, _ = verify(finished, tmp_path / "other.yaml")
    assert code == 1
    assert "made with other settings (perturbation.levels.III, those of the tokens)" in said[f"{TOKENS}/blur/0.h5"]
    assert f"{ACCURACY}/blur.parquet" in said and f"{TABLE}.csv" in said
    assert not {f"{TOKENS}/clean/0.h5", f"{ACCURACY}/clean.parquet", "results/smoke/figures/figure_5.pdf"} & set(said)


def test_other_weights_make_stale_what_was_made_from_the_old_ones(smoke):
    weights = smoke / "results/models/mae_finetuned.safetensors"
    weights.write_bytes((smoke / "results/models/supervised.safetensors").read_bytes())
    code, said, _ = verify(smoke)
    assert code == 1
    assert said["results/models/mae_finetuned.safetensors"].startswith("damaged: ")
    assert "made from another results/models/mae_finetuned.safetensors" in said[f"{TOKENS}/clean/0.h5"]
    assert "which is stale" in said[f"{ACCURACY}/clean.parquet"] and f"{TABLE}.csv" in said
    assert "results/tokens/mae_pretrained/three/clean/0.h5" not in said


def test_a_picture_that_has_gone_and_an_edited_script_make_stale_what_came_of_them(smoke):
    next((smoke / "results/data/digits/test/0").glob("*.png")).unlink()
    with h5py.File(smoke / f"{TOKENS}/blur/0.h5", "r+") as file:
        del file.attrs["complete"]
    with (smoke / "workflow/scripts/measures/accuracy.py").open("a") as script:
        script.write("# edited\n")
    code, said, _ = verify(smoke)
    assert code == 1
    assert (
        "made by another version of measures/accuracy.py; run the workflow again" in said[f"{ACCURACY}/clean.parquet"]
    )
    assert next(line for path, line in said.items() if "digits/test/1/" in path).startswith("damaged: ")
    assert "made from results/data/digits/test, which is damaged" in said["results/images/three.csv"]
    assert "made from results/images/three.csv, which is stale" in said[f"{TOKENS}/clean/0.h5"]
    assert "damaged: " in said[f"{TOKENS}/blur/0.h5"] and "was never completed" in said[f"{TOKENS}/blur/0.h5"]
    assert "results/models/supervised.loss.csv" not in said


def test_an_edited_module_is_named_by_what_was_made_with_it(smoke):
    with (smoke / "workflow/scripts/maescope/base/statistics.py").open("a") as module:
        module.write("# edited\n")
    code, said, _ = verify(smoke)
    assert code == 1
    words = "made by another version of maescope/base/statistics.py; run the workflow again"
    assert said[f"{TABLE}.csv"] == f"stale: {TABLE}.csv: {words}"
    assert all(words in line for line in said.values())
    assert not {f"{TOKENS}/clean/0.h5", "results/images/three.csv", "results/models/supervised.loss.csv"} & set(said)


def test_a_study_of_another_name_is_not_called_wrong(finished, tmp_path):
    config = finished.config()
    config["study"]["name"] = "second"
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    code, said, last = verify(finished, tmp_path / "other.yaml")
    assert (code, said) == (0, {}) and re.fullmatch(r"\d+ other, \d+ whole", last)


def test_a_token_file_of_another_study_is_read_to_its_end_as_well(smoke, tmp_path):
    config = smoke.config()
    config["study"] |= {"name": "second", "compared": []}
    del config["models"]["untrained"]
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    cut = smoke / "results/tokens/untrained/three/clean/1.h5"
    cut.write_bytes(cut.read_bytes()[:-100])
    code, said, _ = verify(smoke, tmp_path / "other.yaml")
    assert code == 1 and list(said) == ["results/tokens/untrained/three/clean/1.h5"]
    assert said["results/tokens/untrained/three/clean/1.h5"].startswith("damaged: ")


def test_tokens_whose_last_label_is_gone_are_known_by_what_changed(smoke, tmp_path):
    """And not taken for files that nothing makes: those would be deleted, and the hours with them."""
    for folder in ("measures", "smoke", "subspaces"):
        shutil.rmtree(smoke / "results" / folder)
    config = smoke.config()
    config["datasets"]["shifted"]["labels"] = config["datasets"]["three"]["labels"] = ["0", "1"]
    config["study"]["tsne"]["labels"] = ["0", "1"]
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    code, said, _ = verify(smoke, tmp_path / "other.yaml")
    assert code == 1
    assert "made with other settings" in said[f"{TOKENS}/clean/0.h5"]


def test_a_configuration_that_is_not_there_is_said(finished):
    code, _, last = verify(finished, "nowhere.yaml")
    assert code == 1 and "nowhere.yaml" in last


def test_a_figure_or_a_table_alone_says_what_it_was_made_from(finished):
    texts = {
        "png": Image.open(finished / "results/smoke/figures/figure_5.png").text["maescope"],
        "tex": re.search(r"^% (\{.*)$", (finished / f"{TABLE}.tex").read_text(), re.MULTILINE)[1],
        "md": re.search(r"<!-- (.*) -->", (finished / f"{TABLE}.md").read_text())[1],
        "html": html.unescape(re.search(r"<!-- (.*) -->", (finished / f"{TABLE}.html").read_text())[1]),
    }
    expected = {
        path: sha256(finished / path)
        for path in ("results/images/three.csv", "results/models/mae_finetuned.safetensors")
    }
    for text in texts.values():
        origin = json.loads(text)["maescope"]
        assert expected.items() <= origin["sources"].items()
        assert origin["seed"] == 0 and origin["study"] == "smoke" and origin["versions"]["torch"]
        assert origin["configuration"] in (finished / "results/smoke/overview.html").read_text()
    assert expected["results/images/three.csv"].encode() in (
        finished / "results/smoke/figures/figure_5.pdf"
    ).read_bytes().replace(b"\\\n", b"")


def test_every_table_is_recorded_with_its_digest(finished):
    for path in [*(finished / "results").rglob("*.csv"), *(finished / "results/measures").rglob("*.parquet")]:
        place = path.relative_to(finished / "results")
        record = json.loads((finished / f"results/provenance/{place}.json").read_text())
        assert record["sha256"] == sha256(path) and record["file"] == f"results/{place}"
        assert record["inputs"] or record["rule"] == "digits"


SCRIPTS = [path for path in (REPOSITORY / "workflow/scripts").glob("*/*.py") if path.parent.name != "maescope"]


@pytest.mark.parametrize("path", sorted(SCRIPTS), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_script_records_what_it_writes(path):
    assert "\nlogs.begin(snakemake" in path.read_text()
