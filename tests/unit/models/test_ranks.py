"""Several processes that train together, on the CPU with gloo, and what is asked of them."""

import multiprocessing
import os
import signal
import socket
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from trainings import AFFINE, TINY, classification, pretraining, problem, readers, recipe, train

from maescope.base import tidy
from maescope.base.errors import InputError
from maescope.models import objectives, ranks, trainer

OWN = recipe(epochs=3, augmentation=AFFINE, smoothing=0.1, mixup=0.8, cutmix=1.0)


def job(own, **further):
    """A classifier on sixteen pictures that lie here, trained on the CPU."""
    folder = "pictures"
    os.makedirs(folder, exist_ok=True)
    rows = []
    for number, (pixels, target) in enumerate(zip(*problem(), strict=True)):
        path = f"{folder}/{number}.png"
        Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(path)
        rows.append({"label": f"c{target}", "image": f"{number}.png", "path": path, "target": target})
    tidy.write(pd.DataFrame(rows).assign(width=8, height=8), "images.csv")
    preprocessing = {"resize": 8, "crop": 8, "interpolation": "bicubic", "mean": [0.5] * 3, "std": [0.25] * 3}
    model = {"architecture": "vit_tiny_patch16_224", "arguments": TINY, "num_classes": 2, "pooling": "avg"}
    run = {"device": "cpu", "gpus": 1, "accumulation": None, "state_minutes": 0}
    given = {"name": "vit", "model": model | {"preprocessing": preprocessing}, "recipe": own | {"drop_path": 0.0}}
    return trainer.Job(
        **given | {"run": run, "images": "images.csv", "validation": "images.csv", "threads": 2} | further
    )


def free_port():
    with socket.socket() as one:
        one.bind(("localhost", 0))
        return one.getsockname()[1]


def two(work, monkeypatch, size=2, asked=2):
    """What each of two processes that know each other gives back."""
    ends, port = multiprocessing.get_context("fork").SimpleQueue(), free_port()

    def one(rank):
        environment = {"RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "localhost", "MASTER_PORT": port}
        os.environ.update({key: str(value) for key, value in environment.items()})
        torch.set_num_threads(1)
        try:
            world = ranks.begin("cpu", asked)
            ends.put((rank, work(world)))
            ranks.end()
        except InputError as error:
            ends.put((rank, str(error)))

    processes = [multiprocessing.get_context("fork").Process(target=one, args=(rank,)) for rank in range(size)]
    for process in processes:
        process.start()
    found = dict(ends.get() for _ in processes)
    for process in processes:
        process.join()
    return found


@pytest.mark.parametrize("kind", ["pretraining", "fine-tuning"])
def test_two_processes_train_as_one_at_the_same_batch(monkeypatch, kind):
    def run(world=None, **further):
        objective = pretraining(True) if kind == "pretraining" else classification(OWN)
        # what is validated is shared as well: 7 and 8 of 15 images
        found = train(objective, OWN, validation=tuple(part[:15] for part in problem()), world=world or ranks.World())
        return found.weights.tolist(), found.history

    alone, (first, second) = run(), (value for _, value in sorted(two(run, monkeypatch).items()))
    assert first == second
    # AdamW makes whole steps of the rounding of gradients that are 0, as those of the biases of keys
    assert ((torch.tensor(first[0]) - torch.tensor(alone[0])).abs() > 1e-5).double().mean() < 0.02
    for ours, others in zip(first[1], alone[1], strict=True):
        assert ours == pytest.approx(others, rel=1e-5)
    assert len(alone[1]) == 3 and "validation_loss" in alone[1][0]


def test_fewer_images_to_validate_on_than_processes_are_refused_before_any_waits_for_another(monkeypatch):
    def run(world):
        train(pretraining(), OWN, validation=tuple(part[:1] for part in problem()), world=world)

    said = "training.validation: 1 image for 2 gpus; give each one at least"
    assert two(run, monkeypatch) == {0: said, 1: said}


def test_processes_end_with_what_started_them():
    """torchrun's are in sessions of their own: they outlived it, and trained on where another attempt did."""

    def work(read):
        os.dup2(read, 0)
        ranks.end_with_parent()
        time.sleep(60)

    read, write = os.pipe()
    os.set_inheritable(write, False)
    process = multiprocessing.get_context("fork").Process(target=lambda: (os.close(write), work(read)))
    process.start()
    process.join(0.3)
    assert process.is_alive()
    os.close(write)
    process.join(10)
    os.close(read)
    assert process.exitcode == -signal.SIGTERM


def test_a_reader_that_was_killed_and_a_loss_that_is_no_number_are_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cropped = OWN | {"augmentation": {"kind": "crop", "area": [0.2, 1.0], "flip": 0.5}}
    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", lambda *_: kill_a_reader())
        said = r"^models\.vit: a process that reads its images was killed; give the job"
        with pytest.raises(InputError, match=said) as kept:  # as Python keeps the error of a script to its end
            trainer.run(job(cropped))
        assert readers() == [] and kept
    said = r"^models\.other: [^;]*\bn(an|o numbers)\b[^;]*; lower models\.other\.training\.learning_rate and delete"
    with pytest.raises(InputError, match=said):
        trainer.run(replace(job(OWN | {"learning_rate": 1e38}), name="other"))
    assert readers() == []


def kill_a_reader():
    reader = readers()[0]
    reader.kill()
    time.sleep(0.2)


def test_another_number_of_processes_than_asked_for_is_refused(monkeypatch):
    said = two(lambda world: "went on", monkeypatch, size=1, asked=2)
    assert said == {0: "training.gpus: 2, but 1 processes were started; start none by hand"}


def test_more_gpus_than_there_are_is_one_line(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"^training\.gpus: 2, but torch sees none; set gpus: 1, or run where there"):
        ranks.device_of("auto", 2)
    assert ranks.device_of("cpu", 2) == ranks.device_of("auto", 1) == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: [])
    with pytest.raises(InputError, match=r"^training\.gpus: 2, but torch sees 1; lower it, or run where there are as"):
        ranks.device_of("cuda", 2)


@pytest.mark.skipif(os.environ.get("MAESCOPE_SOAK", "1") == "1", reason="a minute and a half: MAESCOPE_SOAK=10")
def test_torchrun_starts_as_many_and_the_first_leaves_what_they_have_learned(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = job(OWN)
    weights, history = trainer.run(asked)
    together = replace(asked, run=asked.run | {"gpus": 2})
    with open("log", "w") as log:
        others, losses = trainer.run(together, log)
    assert torch.allclose(
        *(torch.cat([value.flatten() for value in own.values()]) for own in (weights, others)), atol=1e-5
    )
    assert np.allclose(history, losses, rtol=1e-5) and list(history) == list(losses)
    assert history["validation_accuracy"].iloc[-1] == 1
    together.states.forget()
    rows = tidy.read(["images.csv"])
    tidy.write(rows.assign(path=rows["path"].where(rows["image"] != "3.png", "pictures/gone.png")), "images.csv")
    with open("log", "w") as log, pytest.raises(InputError, match=r"^pictures/gone\.png: no such file[^\n]*$"):
        trainer.run(together, log)


def test_images_to_validate_on_that_are_trained_on_are_told(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    asked = job(OWN | {"epochs": 1})
    rows = tidy.read(["images.csv"])
    tidy.write(rows.assign(path=rows["path"].where(rows.index < 3, "elsewhere/" + rows["path"])), "others.csv")
    trainer._tell_of_shared(replace(asked, validation="others.csv"))
    (said,) = (record.getMessage() for record in caplog.records if record.levelname == "CRITICAL")
    assert said.startswith("models.vit.training.validation: 3 of its 16 images are trained on as well")
    caplog.clear()
    tidy.write(rows.assign(path="elsewhere/" + rows["path"]), "others.csv")
    trainer._tell_of_shared(replace(asked, validation="others.csv"))
    assert not caplog.records


def test_what_a_training_cannot_do_names_its_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    asked = job(OWN)
    with pytest.raises(InputError, match=r"^models\.vit\.training\.gpus: 2, but torch sees none; set gpus: 1, or run"):
        trainer.run(replace(asked, run=asked.run | {"device": "auto", "gpus": 2}))


def test_images_of_no_class_of_the_head_are_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = job(OWN)
    tidy.write(tidy.read(["images.csv"]).assign(target=-1), "images.csv")
    with pytest.raises(InputError, match=r"^images\.csv: c0 is none of the 2 classes of models\.vit; train on these"):
        trainer.run(asked)


def test_a_head_begins_as_small_as_in_the_official_fine_tuning_and_drop_path_rises_from_block_to_block(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    asked = job(OWN)
    scratch = trainer.build(asked)
    torch.save(scratch.model.state_dict(), "w.pth")
    wide = asked.model | {"num_classes": 1000, "arguments": TINY | {"depth": 3}}
    torch.save(trainer.build(replace(asked, model=wide)).model.state_dict(), "w.pth")
    tuned = trainer.build(
        replace(asked, model=wide, recipe=asked.recipe | {"drop_path": 0.2}, initial=("w.pth", "any", None))
    )
    assert isinstance(tuned, objectives.Classification)
    assert tuned.model.head.weight.std().item() == pytest.approx(2e-5, rel=0.05)
    assert not tuned.model.head.bias.any() and scratch.model.head.weight.std() > 0.01
    assert [getattr(block.drop_path1, "drop_prob", 0.0) for block in tuned.model.blocks] == pytest.approx([0, 0.1, 0.2])
