"""Bad input and bad machines through the real workflow: docs/faults.md rows 10, 18, 27, 29 and 30."""

import os
import re
import shutil
import subprocess
import sys

import h5py
import pytest
from conftest import Workflow
from PIL import Image
from safetensors.torch import save_file
from test_faults import dataset, model, pets, refused_plan, state, study
from tiny import another

from maescope.models import checkpoints


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Good weights, good pictures, and a dataset with a picture of 200 megapixels."""
    folder = tmp_path_factory.mktemp("files")
    pets(folder / "pets")
    pets(folder / "vast")
    Image.new("1", (20_000, 10_000)).save(folder / "vast/dog/0.png")
    save_file(state(), folder / "vit.safetensors")
    return folder


def digest_of(files):
    return checkpoints.file_sha256(str(files / "vit.safetensors"))


@pytest.fixture(scope="module")
def run(files, tmp_path_factory):
    """One run with all of them, on a machine without a GPU."""
    workflow = Workflow(tmp_path_factory.mktemp("run") / "clone")
    config = study(files / "vit.safetensors", files / "pets")
    config["datasets"]["vast"] = dataset(files / "vast")
    config["models"] |= {
        "other": model(files / "vit.safetensors", sha256="0" * 64),
        "cuda": model(files / "vit.safetensors", device="cuda"),
        "auto": model(files / "vit.safetensors", device="auto", sha256=digest_of(files)),
        "cropped": model(files / "vit.safetensors", preprocessing={"resize": 24, "crop": 24}),
    }
    workflow.configure(config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        tokens = (f"results/tokens/{name}/pets/clean.csv" for name in ("other", "cuda", "auto", "cropped"))
        workflow.said = workflow.run("--keep-going", "--", "results/images/vast.csv", *tokens).stdout
    return workflow


def test_row_10_a_picture_of_200_megapixels_is_refused_by_name(run, files):
    assert f"error: {files}/vast/dog/0.png: 20000 x 10000 pixels, more than 100000000" in run.said
    assert not (run / "results/images/vast.csv").exists()


def test_a_wrong_crop_is_found_before_any_extraction(run):
    log = (run / "results/logs/check_model/cropped.log").read_text()
    assert "error: preprocessing.crop is 24 px, but the model's input is 16 x 16 px" in log and "Traceback" not in log


def test_row_18_weights_of_another_digest_are_refused_and_those_of_the_right_one_are_not(run, files):
    assert f"vit.safetensors: its SHA-256 is {digest_of(files)}, but the configuration says {'0' * 64}" in run.said
    assert not (run / "results/tokens/other").exists()
    with h5py.File(run / "results/tokens/auto/pets/clean/cat.h5") as file:
        assert file.attrs["weights_sha256"].decode() == digest_of(files)


def test_row_18_a_digest_that_is_set_later_makes_nothing_again(run):
    config, tokens = run.config(), "results/tokens/auto/pets/clean.csv"
    try:
        for digest in (None, "0" * 64):
            auto = config["models"]["auto"] | {"sha256": digest}
            run.configure(config | {"models": config["models"] | {"auto": auto}})
            assert run.plan(tokens) == []
    finally:
        run.configure(config)


def test_another_study_or_other_images_of_one_dataset_make_the_tokens_of_no_other_again(run, files):
    """The check against the labels of that dataset is made again, that of the model is not."""
    config, other = run.config(), "results/tokens/auto/others/clean.csv"
    try:
        config["datasets"]["others"] = dataset(files / "pets")
        run.configure(config)
        run.must_run("--", other)
        run.configure(config | {"study": config["study"] | {"name": "another", "dataset": "others"}})
        assert run.plan(other, "results/tokens/auto/pets/clean.csv") == []
        fewer = config["datasets"]["pets"] | {"count": 2}
        run.configure(config | {"datasets": config["datasets"] | {"pets": fewer}})
        assert run.plan(other) == []
        again = run.plan("results/tokens/auto/pets/clean.csv")
        assert [job[0] for job in again] == ["check_labels", "extract_pets", "sample"]
    finally:
        del config["datasets"]["others"]
        run.configure(config)


def test_row_27_cuda_without_a_gpu_is_an_error(run):
    said = r"error: device: cuda, but torch sees no GPU( \(.*\))?; run where there is one, or set device: auto or cpu"
    assert re.search(said, run.said)
    assert not list((run / "results/tokens/cuda").rglob("*.h5"))


def test_row_27_auto_without_a_gpu_falls_back_and_says_so(run):
    log = (run / "results/logs/extract/auto/pets/clean.log").read_text()
    assert re.search(r"device: auto, and torch sees no GPU( \(.*\))?: running on the CPU", log)
    with h5py.File(run / "results/tokens/auto/pets/clean/cat.h5") as file:
        assert file.attrs["device"] == b"cpu"


def test_rows_10_and_18_once_put_right_give_what_an_undisturbed_model_gives(run, files):
    """`auto` had no fault; the other has the same weights."""
    config, measure = run.config(), "results/measures/accuracy/{}/pets/clean.parquet"
    try:
        shutil.copy(files / "pets/dog/0.png", files / "vast/dog/0.png")
        mended = config["models"]["other"] | {"sha256": None}
        run.configure(config | {"models": config["models"] | {"other": mended}})
        wanted = {name: measure.format(name) for name in ("auto", "other")}
        run.must_run("--", "results/images/vast.csv", "results/images/pets.csv", *wanted.values())
        contents = {(run / path).read_bytes() for path in wanted.values()}
        assert len(contents) == 1
        lists = [(run / f"results/images/{name}.csv").read_text() for name in ("vast", "pets")]
        assert lists[0] == lists[1].replace(f"{files}/pets/", f"{files}/vast/")
    finally:
        run.configure(config)


def test_row_29_a_perplexity_or_k_too_large_names_both_numbers(files, tmp_path):
    config = study(files / "vit.safetensors", files / "pets")
    config["models"]["encoder"] = model(files / "vit.safetensors", num_classes=0)
    config["study"] |= {"pretrained": "encoder", "tsne": {"images": 3}}
    config["analysis"] |= {"perplexity": 6, "subspace": {"k": 20}, "folds": 2, "neighbours": 1}
    said = refused_plan(tmp_path / "clone", config)
    assert "analysis.perplexity: 6 must be below the number of points, 6 (2 labels of 3 images, study.tsne)" in said
    assert "analysis.subspace.k: 20 dimensions are above the rank of half a class, at most 4" in said


def test_row_30_without_a_network_everything_but_the_download_works(tmp_path, tmp_path_factory):
    """In a network namespace of its own, with nothing in it."""
    alone = ["unshare", "--net", "--map-root-user"] if shutil.which("unshare") else ["false"]
    if subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("no network namespace can be made here")
    workflow, _ = another(tmp_path_factory, tmp_path / "clone")
    shutil.rmtree(workflow / "results/tokens/vit")
    config = workflow.config()
    config["models"]["far"] = model(tmp_path / "far.pth", url="https://example.org/far.pth")
    workflow.configure(config)
    path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    snakemake = [*alone, "env", f"PATH={path}", "snakemake", "--cores", "2", "--nocolor"]

    def run(target):
        return subprocess.run([*snakemake, target], cwd=workflow.folder, capture_output=True, text=True)

    done = run("results/measures/accuracy/vit/pets/clean.parquet")
    assert done.returncode == 0, done.stderr
    failed = run("download")
    assert failed.returncode == 1
    assert "error: models.far: https://example.org/far.pth cannot be fetched" in failed.stderr
    assert not (tmp_path / "far.pth").exists()
