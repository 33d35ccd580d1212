"""What was touched or copied makes nothing again, whatever its size; what says something else does.

Snakemake compares contents of up to 1 MB, which the weights here are larger than. For all else the limit is lowered, so
that all but the smallest files are large.
"""

import hashlib
import os
import shutil

import h5py
import pytest
from conftest import Workflow
from safetensors.torch import save_file
from test_faults import model, pets, state, study

from maescope.tokens import store

SIZE = {"embed_dim": 96, "depth": 4}  # 1.8 MB of weights
LARGE = ("--max-checksum-file-size", "300")  # bytes
MEASURE = "results/measures/accuracy/{}/pets/{}.parquet"
TARGETS = [MEASURE.format(*pair) for pair in (("vit", "clean"), ("vit", "occlusion"), ("linked", "clean"))]
TARGETS += [MEASURE.format("tuned", "clean")]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished study of weights from elsewhere, of a link to them, and of a model that was fine-tuned from them."""
    folder = tmp_path_factory.mktemp("touched")
    pets(folder / "pets")
    for name, seed in (("vit", 0), ("other", 1)):
        own = state(**SIZE)
        own["head.bias"] += seed
        save_file(own, folder / f"{name}.safetensors")
    assert (folder / "vit.safetensors").stat().st_size > 1_700_000
    (folder / "link.safetensors").symlink_to(folder / "vit.safetensors")
    config = study(folder / "vit.safetensors", folder / "pets")
    arguments = config["models"]["vit"]["arguments"] | SIZE
    config["models"]["vit"]["arguments"] = arguments
    config["models"]["linked"] = model(folder / "link.safetensors", arguments=arguments)
    training = {"recipe": "finetune", "initial": "vit", "dataset": "pets", "epochs": 1}
    config["models"]["tuned"] = model("results/models/tuned.safetensors", arguments=arguments, training=training)
    workflow = Workflow(folder / "clone")
    workflow.configure(config)
    workflow.must_run("--", *TARGETS)
    shutil.copytree(folder, folder.with_name("kept"), symlinks=True)
    return workflow


@pytest.fixture
def study_of(done):
    """The same, put back as it was, times and all, after each test."""
    yield done
    folder = done.folder.parent
    shutil.rmtree(folder)
    shutil.copytree(folder.with_name("kept"), folder, symlinks=True)


def touch(path):
    path.touch()


def copy(path):
    """Another file of the same content in its place, as of an archive that keeps no times."""
    other = path.with_name(f"{path.name}.copy")
    shutil.copyfile(path, other)
    other.replace(path)


def files(workflow, pattern):
    paths = list(workflow.folder.parent.glob(pattern))
    assert paths and all(path.stat().st_size > 300 for path in paths)
    return paths


LARGE_FILES = {
    "weights from elsewhere": "vit.safetensors",
    "weights that were trained here": "clone/results/models/*.safetensors",
    "token files": "clone/results/tokens/*/*/*/*.h5",
    "the list of images": "clone/results/images/pets.csv",
}


@pytest.mark.parametrize("change", [touch, copy])
@pytest.mark.parametrize("what", LARGE_FILES)
def test_large_files_of_the_same_content_make_nothing_again(study_of, change, what):
    for path in files(study_of, LARGE_FILES[what]):
        change(path)
    assert study_of.plan(*TARGETS, *LARGE) == []


def test_a_copy_of_everything_in_any_order_makes_nothing_again(study_of):
    paths = [path for path in study_of.folder.parent.rglob("*") if path.is_file() and not path.is_symlink()]
    for path in sorted(paths, key=lambda path: hashlib.sha256(str(path).encode()).digest()):
        copy(path)
    assert study_of.plan(*TARGETS) == []
    (study_of / TARGETS[0]).unlink()
    assert study_of.plan(*TARGETS) == [("accuracy", "vit", "pets", "clean")]
    study_of.must_run("--", *TARGETS)
    assert study_of.plan(*TARGETS) == []


def test_what_is_read_by_each_plan_is_said_once_with_what_ends_it(study_of):
    for pattern in LARGE_FILES.values():
        for path in files(study_of, pattern):
            path.touch()
    said = study_of.must_run("--dry-run", *TARGETS)
    assert said.count("newer than what was made from it") == 1 and "Nothing to be done" in said
    study_of.must_run("--touch", *TARGETS)
    for path in (study_of / "results/provenance").rglob("*.json"):
        path.touch()
    said = study_of.must_run("--dry-run", *TARGETS)
    assert "newer than what was made from it" not in said and "Nothing to be done" in said


def remove(workflow, *names):
    """Remove files or folders under results/ and their records, as where they were not copied along."""
    for name in names:
        for path in (workflow / "results" / name, workflow / f"results/provenance/{name}.json"):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)  # token files share their list's


def test_weights_that_were_copied_without_their_loss_are_not_trained_again(study_of):
    remove(study_of, "models/tuned.loss.csv", "tokens/tuned/pets/clean", "tokens/tuned/pets/clean.csv")
    jobs = [("accuracy", "tuned", "pets", "clean"), ("extract_pets", "tuned", "pets", "clean")]
    assert study_of.plan(TARGETS[3]) == jobs
    study_of.must_run("--", TARGETS[3])
    assert study_of.plan(TARGETS[3]) == []


def test_a_list_of_images_that_was_copied_alone_is_not_sampled_again(study_of):
    remove(study_of, "images/pets.skipped.csv", "tokens/vit/pets/clean", "tokens/vit/pets/clean.csv")
    remove(study_of, "check_labels/vit/pets.json")
    jobs = study_of.plan(TARGETS[0])
    assert ("extract_pets", "vit", "pets", "clean") in jobs and ("sample", "pets") not in jobs


def test_token_files_that_were_copied_without_their_list_make_nothing_again_unless_they_are_needed(study_of):
    remove(study_of, "tokens/tuned/pets/clean.csv")
    assert study_of.plan(TARGETS[3]) == []
    (study_of / TARGETS[3]).unlink()
    jobs = [("accuracy", "tuned", "pets", "clean"), ("extract_pets", "tuned", "pets", "clean")]
    assert study_of.plan(TARGETS[3]) == jobs
    study_of.must_run("--", TARGETS[3])
    assert study_of.plan(TARGETS[3]) == []


def test_a_list_of_images_of_a_rule_around_this_workflow_is_not_sampled_as_well(study_of):
    remove(study_of, "images/pets.skipped.csv", "tokens/vit/pets/clean", "tokens/vit/pets/clean.csv")
    (study_of / "results/images/pets.csv").rename(study_of / "mine.csv")
    own = 'rule own:\n    input: "mine.csv"\n    output: "results/images/pets.csv"\n    shell: "cp {input} {output}"\n'
    with open(study_of / "Snakefile", "a") as file:
        file.write(f"\n\n{own}\n\nruleorder: own > sample\n")
    jobs = study_of.plan(TARGETS[0])
    assert ("own",) in jobs and ("extract_pets", "vit", "pets", "clean") in jobs and ("sample", "pets") not in jobs


def test_touched_files_hide_no_other_reason(study_of):
    """Extraction that is made again takes its measures along, though their tokens are as they were."""
    module = study_of / "workflow/scripts/maescope/tokens/attention_statistics.py"
    module.write_text("# edited\n" + module.read_text())
    jobs = study_of.plan(*TARGETS)
    assert {("extract_pets", "vit", "pets", "clean"), ("accuracy", "vit", "pets", "clean")} <= set(jobs)
    assert ("finetune", "tuned") not in jobs
    for pattern in LARGE_FILES.values():
        for path in files(study_of, pattern):
            path.touch()
    assert study_of.plan(*TARGETS, *LARGE) == jobs


def test_training_that_is_made_again_takes_its_extraction_along(study_of):
    for pattern in LARGE_FILES.values():
        for path in files(study_of, pattern):
            path.touch()
    (study_of / "results/models/tuned.safetensors").unlink()
    jobs = study_of.plan("results/models/tuned.safetensors", *TARGETS, *LARGE)
    assert jobs == [
        ("accuracy", "tuned", "pets", "clean"),
        ("extract_pets", "tuned", "pets", "clean"),
        ("finetune", "tuned"),
    ]


def another_value(path):
    """A whole file that says something else: written anew, digests and all."""
    with store.open_tokens(str(path)) as file:
        arrays = {name: file.read("clean", name) for name in file.file["levels/clean"]}
        attributes = {key: file.attributes[key] for key in ("config_hash", "weights_sha256", "label", "seed")}
        given = file.images, file.targets, file.levels, attributes
    with store.writing(str(path), *given) as writer:
        writer.write("clean", 0, arrays | {"logits": arrays["logits"] + 1})


def a_flipped_bit(path):
    with h5py.File(path) as file:
        place = file["levels/clean/logits"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("change", [another_value, a_flipped_bit])
def test_a_token_file_that_says_something_else_is_made_again_with_its_measures(study_of, change):
    change(study_of / "results/tokens/vit/pets/clean/cat.h5")
    assert study_of.plan(*TARGETS) == [
        ("accuracy", "vit", "pets", "clean"),
        ("accuracy", "vit", "pets", "occlusion"),
        ("extract_pets", "vit", "pets", "clean"),
        ("extract_pets", "vit", "pets", "occlusion"),  # its patches are ranked by the clean ones
    ]
    study_of.must_run("--", *TARGETS)
    assert study_of.plan(*TARGETS) == []


def test_other_weights_are_checked_and_everything_is_made_from_them(study_of):
    weights = study_of.folder.parent / "vit.safetensors"
    shutil.copyfile(weights.with_name("other.safetensors"), weights)
    jobs = study_of.plan(*TARGETS)
    for name in ("vit", "linked"):
        assert {("check_model", name), ("check_labels", name, "pets"), ("accuracy", name, "pets", "clean")} <= set(jobs)
        assert ("extract_pets", name, "pets", "clean") in jobs
    assert {("finetune", "tuned"), ("extract_pets", "tuned", "pets", "clean")} <= set(jobs)
    assert ("sample", "pets") not in jobs


def test_other_weights_in_the_place_of_those_that_were_trained_make_their_tokens_again(study_of):
    weights = study_of / "results/models/tuned.safetensors"
    shutil.copyfile(study_of.folder.parent / "other.safetensors", weights)
    jobs = study_of.plan(*TARGETS)
    assert jobs == [("accuracy", "tuned", "pets", "clean"), ("extract_pets", "tuned", "pets", "clean")]


def test_a_link_that_leads_to_other_weights_is_seen_though_they_are_older(study_of):
    link = study_of.folder.parent / "link.safetensors"
    link.unlink()
    link.symlink_to(link.with_name("other.safetensors"))
    assert os.stat(link).st_mtime < (study_of / TARGETS[2]).stat().st_mtime
    jobs = study_of.plan(*TARGETS)
    assert ("extract_pets", "linked", "pets", "clean") in jobs and ("extract_pets", "vit", "pets", "clean") not in jobs
    link.unlink()
    link.symlink_to(link.with_name("vit.safetensors"))
    assert study_of.plan(*TARGETS) == []
