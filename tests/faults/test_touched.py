"""What was touched or copied makes nothing again, whatever its size; what says something else does.

Snakemake compares contents of up to 1 MB; here of up to 1 kB, so that all but the smallest files are large.
"""

import hashlib
import os
import shutil

import h5py
import pytest
from conftest import Workflow
from safetensors.torch import save_file
from test_faults import model, pets, state, study

LARGE = ("--max-checksum-file-size", "1000")
TOKENS = "results/tokens/mae_finetuned/three"


def touch(path):
    path.touch()


def copy(path):
    """Another file of the same content in its place, as of an archive that keeps no times."""
    other = path.with_name(f"{path.name}.copy")
    shutil.copyfile(path, other)
    other.replace(path)


def large(folder, *patterns):
    paths = [path for pattern in patterns for path in (folder / "results").glob(pattern)]
    assert paths and all(path.stat().st_size > 1000 for path in paths)
    return paths


KINDS = ["models/*.safetensors", "tokens/*/*/*/*.h5", "smoke/conventions/*/tokens/*/*/*/*.h5", "images/three_train.csv"]


@pytest.mark.parametrize("change", [touch, copy])
@pytest.mark.parametrize("pattern", KINDS)
def test_large_files_of_the_same_content_make_nothing_again(smoke, change, pattern):
    if "conventions" in pattern:
        smoke.must_run("sensitivity")
    targets = ["sensitivity"] if "conventions" in pattern else []
    assert smoke.plan(*targets, *LARGE) == []
    for path in large(smoke, pattern):
        change(path)
    assert smoke.plan(*targets, *LARGE) == []


def test_a_copy_of_everything_without_its_times_makes_no_tokens_again(finished, tmp_path):
    copied = finished.moved(tmp_path / "copied")
    for path in sorted((copied / "results").rglob("*"), key=lambda path: hashlib.sha256(path.name.encode()).digest()):
        path.touch()  # in any order
    jobs = {job[0] for job in copied.plan()}
    assert not jobs & {"pretrain", "finetune", "train_scratch", "sample", "accuracy", "alignment", "features", "tsne"}
    assert not any(job.startswith(("extract", "check")) for job in jobs)


def test_touched_files_hide_no_other_reason(smoke):
    """Extraction that is made again takes its measures along, though their tokens are as they were."""
    module = smoke / "workflow/scripts/maescope/tokens/attention_statistics.py"
    module.write_text("# edited\n" + module.read_text())
    jobs = smoke.plan()
    assert ("accuracy", "mae_finetuned", "three", "clean") in jobs
    for path in large(smoke, "models/*.safetensors", "tokens/*/*/*/*.h5"):
        path.touch()
    assert smoke.plan(*LARGE) == jobs


def test_training_that_is_made_again_takes_its_extraction_along(smoke):
    for path in large(smoke, "models/*.safetensors"):
        path.touch()
    (smoke / "results/models/mae_finetuned.safetensors").unlink()
    jobs = smoke.plan("results/models/mae_finetuned.safetensors", "table_1", *LARGE)
    assert ("finetune", "mae_finetuned") in jobs and ("extract_three", "mae_finetuned", "three", "blur") in jobs


def another_value(path):
    """A whole file that says something else: written anew, digests and all."""
    from maescope.tokens import store

    with store.open_tokens(str(path)) as file:
        arrays = {name: file.read(file.levels[0], name) for name in file.file[f"levels/{file.levels[0]}"]}
        arrays["logits"] = arrays["logits"] + 1
        attributes = {key: file.attributes[key] for key in ("config_hash", "weights_sha256", "label", "seed")}
        given = file.images, file.targets, file.levels, attributes
    with store.writing(str(path), *given) as writer:
        writer.write(given[2][0], 0, arrays)


def a_flipped_bit(path):
    with h5py.File(path) as file:
        place = file["levels/clean/logits"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("change", [another_value, a_flipped_bit])
def test_a_token_file_that_says_something_else_makes_its_measures_again(smoke, change):
    change(smoke / f"{TOKENS}/clean/1.h5")
    jobs = smoke.plan(*LARGE)
    assert {
        ("accuracy", "mae_finetuned", "three", "clean"),
        ("extract_three", "mae_finetuned", "three", "occlusion"),  # its patches are ranked by the clean ones
    } <= set(jobs)
    assert ("accuracy", "mae_finetuned", "shifted", "clean") not in jobs


def test_other_weights_make_their_tokens_again(smoke):
    weights = smoke / "results/models/mae_finetuned.safetensors"
    shutil.copyfile(smoke / "results/models/supervised.safetensors", weights)
    jobs = smoke.plan(*LARGE)
    assert ("extract_three", "mae_finetuned", "three", "clean") in jobs
    assert not {("pretrain", "mae_pretrained"), ("extract_three", "mae_pretrained", "three", "mask")} & set(jobs)


# --- weights from elsewhere -----------------------------------------------------------------------------------------

MEASURE = "results/measures/accuracy/{}/pets/clean.csv"
SIZE = {"embed_dim": 96, "depth": 4}  # 1.8 MB of weights


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A finished study of weights of more than Snakemake compares, and of a model that was fine-tuned from them."""
    folder = tmp_path_factory.mktemp("elsewhere")
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
    return workflow


TARGETS = [MEASURE.format(name) for name in ("vit", "linked", "tuned")]


@pytest.fixture
def weights(elsewhere):
    """The file, put back as it was."""
    path = elsewhere.folder.parent / "vit.safetensors"
    content, status = path.read_bytes(), path.stat()
    yield path
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert elsewhere.plan(*TARGETS) == []


@pytest.mark.parametrize("change", [touch, copy])
def test_weights_from_elsewhere_of_the_same_content_make_nothing_again(elsewhere, weights, change):
    assert elsewhere.plan(*TARGETS) == []
    change(weights)
    assert elsewhere.plan(*TARGETS) == []
    (elsewhere / "results/measures/accuracy/vit/pets/clean.csv").unlink()
    assert elsewhere.plan(*TARGETS) == [("accuracy", "vit", "pets", "clean")]
    elsewhere.must_run("--", *TARGETS)


def test_other_weights_in_their_place_are_checked_and_everything_is_made_from_them(elsewhere, weights):
    shutil.copyfile(weights.with_name("other.safetensors"), weights)
    jobs = elsewhere.plan(*TARGETS)
    for name in ("vit", "linked"):
        assert {("check_model", name), ("check_labels", name, "pets"), ("accuracy", name, "pets", "clean")} <= set(jobs)
        assert ("extract_pets", name, "pets", "clean") in jobs
    assert {("finetune", "tuned"), ("extract_pets", "tuned", "pets", "clean")} <= set(jobs)
    assert not any(job[0] == "sample" for job in jobs)


def test_a_link_that_leads_to_other_weights_is_seen_though_they_are_older(elsewhere, weights):
    link = weights.with_name("link.safetensors")
    link.unlink()
    link.symlink_to(weights.with_name("other.safetensors"))
    jobs = elsewhere.plan(*TARGETS)
    assert ("extract_pets", "linked", "pets", "clean") in jobs and ("extract_pets", "vit", "pets", "clean") not in jobs
    link.unlink()
    link.symlink_to(weights)
    assert elsewhere.plan(*TARGETS) == []
