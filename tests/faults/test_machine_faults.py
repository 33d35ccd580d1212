"""Odd folders and small machines through the real workflow: docs/faults.md rows 3, 26 and 28."""

import os
import shutil
import subprocess

import pytest
from conftest import Workflow
from safetensors.torch import save_file
from test_faults import dataset, model, pets, refused_plan, state, study
from tiny import another

ACCURACY = "results/measures/accuracy/vit/pets/clean.parquet"

# Found by every Python of a run: the first block of any model runs out of memory where it is given three images or
# more, in the processes that extract.
SITE = """
import builtins, sys

real = builtins.__import__


def importing(name, *arguments, **options):
    module = real(name, *arguments, **options)
    timm = sys.modules.get("timm.models.vision_transformer")
    if "maescope.tokens.extraction" in sys.modules and timm and hasattr(timm, "Block") and not hasattr(timm, "small"):
        torch = sys.modules["torch"]
        timm.small, forward = True, timm.Block.forward

        def failing(self, x, *arguments, **options):
            if len(x) > LIMIT:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            return forward(self, x, *arguments, **options)

        timm.Block.forward = failing
    return module


builtins.__import__ = importing
"""


def cloned(folder, **changes):
    """A study in which nothing is wrong."""
    pets(folder / "pets")
    save_file(state(), folder / "vit.safetensors")
    workflow = Workflow(folder / "clone")
    workflow.configure(study(folder / "vit.safetensors", folder / "pets", **changes))
    return workflow


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    workflow, _ = another(tmp_path_factory, tmp_path_factory.mktemp("undisturbed") / "clone")
    return (workflow / ACCURACY).read_bytes()


def test_row_3_one_label_has_no_angles(tmp_path):
    config = study(tmp_path / "w.safetensors", tmp_path)
    config["datasets"]["pets"] = dataset(tmp_path, classes=["cat", "dog"], labels=["cat"])
    config["models"]["encoder"] = model(tmp_path / "w.safetensors", num_classes=0)
    config["study"] |= {"pretrained": "encoder", "tsne": {"labels": ["cat"], "images": 3}}
    said = refused_plan(tmp_path / "clone", config)
    assert "datasets.pets.labels: 1 label, but Figures 1-4 and study.compared compare 2 or more" in said
    assert "study.tsne.labels: 1 label, but classes are compared: give 2 or more" in said


def test_row_26_spaces_unicode_and_a_loop_of_links_beside_the_pictures(tmp_path, undisturbed):
    """Everything in folders of odd names, pictures behind a link, and a link to the folder above among the classes."""
    home = tmp_path / "my größe 猫's (copy) $HOME"
    workflow = cloned(home)
    (home / "pets").rename(home / "elsewhere")
    (home / "pets").symlink_to("elsewhere")
    (home / "elsewhere/loop").symlink_to("..")
    picture = home / "elsewhere/cat/0.png"
    picture.rename(home / "aside.png")
    picture.symlink_to("0.png")
    refused = workflow.run(ACCURACY)
    assert refused.returncode == 1 and not list((workflow / "results").rglob("*.csv"))
    assert "/cat/0.png: cannot be decoded" in refused.stdout and "replace it, or set on_bad_image" in refused.stdout
    picture.unlink()
    (home / "aside.png").rename(picture)
    workflow.must_run(ACCURACY)
    assert (workflow / ACCURACY).read_bytes() == undisturbed


@pytest.fixture
def read_only(tmp_path):
    """A workflow whose results cannot be written, even by root."""
    workflow = cloned(tmp_path)
    (workflow / "results").mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", workflow / "results"]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("nothing can be mounted read-only here")
    yield workflow
    subprocess.run(["umount", "--lazy", workflow / "results"], check=True)


def test_row_26_results_that_cannot_be_written(read_only):
    images = "results/images/pets.csv"
    refused = read_only.run(images)
    assert refused.returncode == 1
    assert "Read-only file system" in refused.stdout and "results/" in refused.stdout
    subprocess.run(["mount", "-o", "remount,rw,size=64m", read_only / "results"], check=True)
    read_only.must_run(images)
    assert len((read_only / images).read_text().splitlines()) == 1 + 6


@pytest.fixture
def small(tmp_path, tmp_path_factory):
    """A workflow that takes three images at a time, and what makes its models run out of memory."""
    workflow, _ = another(tmp_path_factory, tmp_path / "clone")
    shutil.rmtree(workflow / "results/tokens/vit")
    (workflow / ACCURACY).unlink()
    config = workflow.config()
    config["models"]["vit"]["batch_size"] = 3
    workflow.configure(config)
    return workflow, tmp_path / "site"


def out_of_memory(site, limit):
    """A folder of modules with which a model takes at most `limit` images at a time."""
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(SITE.replace("LIMIT", str(limit)))
    shutil.rmtree(site / "__pycache__", ignore_errors=True)
    return site


def test_row_28_where_the_memory_is_not_enough_the_batch_halves_or_it_is_said(small, undisturbed):
    workflow, site = small
    refused = workflow.run(ACCURACY, modules=out_of_memory(site, 0))
    assert refused.returncode == 1 and not list((workflow / "results/tokens/vit").rglob("*.h5"))
    assert (
        "error: the GPU's memory is not enough for one image; free it, or set precision: bfloat16 or device: cpu"
        in refused.stdout
    )
    workflow.must_run(ACCURACY, modules=out_of_memory(site, 2))
    log = (workflow / "results/logs/extract/vit/pets/clean.log").read_text()
    assert "GPU memory is not enough for 3 images at a time, going on with 1; lower batch_size" in log
    assert (workflow / ACCURACY).read_bytes() == undisturbed
