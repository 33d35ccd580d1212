"""Trainings through the real workflow: on images of every form, several in one run, and those that cannot be.

docs/faults.md row 31. All that can be told of jobs shares one run of Snakemake with --keep-going.
"""

import copy
import hashlib
import re
import signal

import pytest
import torch
from conftest import Workflow
from safetensors.torch import load_file, save_file
from test_faults import dataset, model, pets, picture, state, study
from test_pictures import shards_of
from tiny import Running, wait_for

from maescope.base import tidy
from maescope.study import training_states

WEIGHTS = "results/models/{}.safetensors"
CROPS = {"kind": "crop", "area": [0.5, 1.0]}  # whole pictures are read in each epoch, from where they lie
FORMS = ("of_folders", "of_list", "of_parquet", "of_tar")


def trained(recipe, dataset="of_folders", classes=2, **training):
    """The entry of a model that is trained for two epochs."""
    entry = {"recipe": recipe, "dataset": dataset, "epochs": 2, "batch_size": 4} | training
    return model("", num_classes=classes, training=entry) | {"weights": None, "pooling": "avg" if classes else "token"}


def config_of(folder):
    """A study with weights to begin with, in a file whose digest is right and in one whose is not."""
    sets = pets(folder / "pets")
    save_file(state(), folder / "vit.safetensors")
    digest = hashlib.sha256((folder / "vit.safetensors").read_bytes()).hexdigest()
    config = study(folder / "vit.safetensors", sets)
    config["datasets"] |= {name: entry for name, entry in shards_of(sets).items() if name in FORMS}
    (folder / "alone/cat").mkdir(parents=True)
    picture(folder / "alone/cat/0.png")
    config["datasets"]["alone"] = dataset(folder / "alone", classes=["cat"], count=None)
    config["models"]["vit"]["sha256"] = digest
    config["models"]["wrong"] = model(folder / "vit.safetensors", sha256="0" * 64)
    return config


RIGHT = {form: trained("scratch", form, augmentation=CROPS, validation="of_list") for form in FORMS}
RIGHT |= {
    "pretrained": trained("pretrain", "of_tar", 0, validation="of_parquet"),
    "tuned": trained("finetune", "of_parquet", initial="vit", augmentation={"kind": "randaugment"}),
    "tuned_on": trained("finetune", "of_list", initial="pretrained"),
    "probed": trained("probe", "of_tar", initial="pretrained"),
    "pretrained_on_one": trained("pretrain", "alone", 0),
    "shared": trained("scratch", "of_tar", augmentation=CROPS, validation="of_list", gpus=2, device="cpu"),
}
CANNOT = {
    "alone_probed": (
        trained("probe", "alone", 1, initial="pretrained"),
        "training.dataset: 1 image, but a step takes 2 or more (with the batch norm of a probe); give more",
    ),
    "alone_mixed": (
        trained("scratch", "alone", 1, mixup=0.8),
        "training.dataset: 1 image, but a step takes 2 or more (mixed by twos); give more",
    ),
    "more_parts": (
        trained("scratch", batch_size=8, accumulation=4),
        "training.batch_size: a step takes 8 images, but there are 6, which cannot go on in 1 x 4 parts; lower it",
    ),
    "on_gpus": (trained("scratch", gpus=2, device="auto"), "training.gpus: 2, but torch sees none; set gpus: 1"),
    "on_a_gpu": (trained("scratch", device="cuda"), "device: cuda, but torch sees no GPU"),
    "wrong_digest": (trained("finetune", initial="wrong"), "its SHA-256 is"),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """All of them, in one run on two cores."""
    folder = tmp_path_factory.mktemp("trainings")
    config, workflow = config_of(folder), Workflow(folder / "clone")
    own = RIGHT | {name: entry for name, (entry, _) in CANNOT.items()}
    config["models"] |= copy.deepcopy(own)
    workflow.configure(config)
    workflow.done = workflow.run("--keep-going", "--", *(WEIGHTS.format(name) for name in own))
    return workflow


@pytest.mark.parametrize("name", RIGHT)
def test_what_can_be_trained_is_trained_from_wherever_its_images_lie(run, name):
    weights = load_file(run / WEIGHTS.format(name))
    assert all(value.isfinite().all() for value in weights.values())
    history = tidy.read([run / f"results/models/{name}.loss.csv"])
    assert history["epoch"].tolist() == [1, 2] and history["loss"].gt(0).all()
    assert not (run / str(training_states.STATES / name)).exists()


@pytest.mark.parametrize("form", FORMS[1:])
def test_the_same_images_train_to_the_same_weights_in_every_form(run, form):
    one, other = (load_file(run / WEIGHTS.format(name)) for name in ("of_folders", form))
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    losses = [tidy.read([run / f"results/models/{name}.loss.csv"]) for name in ("of_folders", form)]
    assert losses[0].equals(losses[1]) and losses[0]["validation_accuracy"].between(0, 1).all()


def test_two_processes_train_as_one(run):
    one, other = (load_file(run / WEIGHTS.format(name)) for name in ("of_folders", "shared"))
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", CANNOT)
def test_what_cannot_be_trained_ends_in_one_line(run, name):
    said = CANNOT[name][1]
    assert run.done.returncode == 1
    lines = {line for line in run.done.stdout.splitlines() if f"/{name}.log: error: " in line}  # then, and at the end
    assert len(lines) == 1 and said in lines.pop(), run.done.stdout
    assert not (run / WEIGHTS.format(name)).exists()


def test_nobody_is_shown_a_traceback(run):
    assert "Traceback" not in run.done.stdout
    for name in CANNOT:
        (log,) = (run / "results/logs").glob(f"*/{name}.log")
        assert "Traceback" not in log.read_text(), name


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (
            trained("scratch", gpus=3),
            "training.batch_size: 4 images cannot be shared equally by 3 gpus; take a multiple",
        ),
        (trained("scratch", batch_size=5, mixup=0.8), "training.batch_size: mixup and cutmix take images by twos"),
        (trained("probe", initial="vit", batch_size=1), "training.batch_size: a probe's batch norm needs 2 images or"),
        (trained("scratch", validation="alone"), "training.validation: alone has other classes than of_folders; give"),
        (trained("finetune", initial="vit", mask_ratio=0.5), "training.mask_ratio: only for recipe pretrain, not fine"),
        (
            trained("scratch", augmentation={"kind": "randaugment", "policy": "rand-m9-mtsd0.5"}),
            "training.augmentation.policy: mtsd0.5 is no part of RandAugment as timm writes it",
        ),
    ],
)
def test_what_can_be_told_while_planning_is_refused_before_anything_is_made(tmp_path_factory, tmp_path, entry, line):
    config, workflow = config_of(tmp_path), Workflow(tmp_path / "clone")
    config["models"]["trained"] = entry
    workflow.configure(config)
    done = workflow.run(WEIGHTS.format("trained"))
    assert done.returncode == 1 and f"models.trained.{line}" in done.stdout, done.stdout
    assert not (workflow / "results").exists() and "Traceback" not in done.stdout


def test_a_second_run_leaves_a_training_alone_and_after_a_kill_it_goes_on_from_its_state(tmp_path):
    config, workflow = config_of(tmp_path), Workflow(tmp_path / "clone")
    config["models"]["trained"] = trained("scratch", epochs=150, augmentation=CROPS, state_minutes=0)
    workflow.configure(config)
    target, states = WEIGHTS.format("trained"), workflow / str(training_states.STATES / "trained")
    with Running(workflow, target) as first:
        wait_for(lambda: list(states.glob("*.pt")))
        jobs = first.jobs()
        first.signal(jobs, signal.SIGSTOP)  # it does not end before the second has begun
        second = workflow.run(target)
        assert second.returncode == 1 and "Directory cannot be locked" in second.stdout and "--unlock" in second.stdout
        assert "train_scratch" not in second.stdout
        there = sorted(path.name for path in states.glob("*.pt"))
        first.signal(jobs, signal.SIGKILL)
        first.end()
    assert there == sorted(path.name for path in states.glob("*.pt")) and not (workflow / target).exists()
    workflow.must_run(target)
    log = (workflow / "results/logs/train_scratch/trained.log").read_text()
    step = max(int(name[:9]) for name in there)
    assert re.search(rf"an earlier attempt came to step {step}, which this one goes on from", log)
    assert not states.exists() and len(tidy.read([workflow / "results/models/trained.loss.csv"])) == 150
