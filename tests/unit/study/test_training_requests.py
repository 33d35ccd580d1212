"""What trainings ask of a cluster, how a linear probe is completed and refused, and the sweep over ImageNet-100."""

import math
from types import SimpleNamespace

import pytest
import yaml
from conftest import REPOSITORY, SCHEMA, SMALLEST

from maescope.base import grid
from maescope.base.errors import InputError
from maescope.study import settings, sizes
from maescope.study.cluster_requests import ClusterRequests
from maescope.study.sweep import Sweep
from maescope.study.target_lookups import TargetLookUps

PHOTOGRAPHS = {"resize": 256, "crop": 224}


def study(of="mae_finetuned", training=(), **changes) -> TargetLookUps:
    """The smallest study with a model changed."""
    config = yaml.safe_load(SMALLEST.read_text())
    config["models"][of] |= changes
    config["models"][of]["training"] |= dict(training)
    return TargetLookUps(settings.check(config, SCHEMA))


def probe(**training) -> dict:
    return {"recipe": "probe", "epochs": 90, "initial": "mae_pretrained"} | training


def asked(look, model="mae_finetuned", slurm=True, attempt=1) -> dict:
    ask, job = ClusterRequests(look, slurm), SimpleNamespace(model=model)
    found = {name: getattr(ask, f"training_{name}")(job) for name in ("gpu", "gres", "minutes")}
    return found | {"mb": ask.training_mb(job, attempt=attempt), "retries": ask.retries([model])}


@pytest.mark.parametrize(
    ("run", "slurm", "gpu", "gres"),
    [
        ({}, True, 0, ""),  # small crops are for CPUs
        ({"device": "auto"}, True, 1, ""),
        ({"device": "cuda", "gpus": 4}, True, 0, "gpu:4"),  # the profile's ceiling on gpu is not theirs
        ({"device": "cuda", "gpus": 4}, False, 4, ""),
        ({"device": "cpu", "gpus": 4}, True, 0, ""),  # processes
    ],
)
def test_gpus_of_a_training_are_of_one_task(run, slurm, gpu, gres):
    found = asked(study(training={**run, "batch_size": 32}), slurm=slurm)
    assert (found["gpu"], found["gres"]) == (gpu, gres)


def test_time_does_not_grow_with_attempts_which_go_on_and_memory_does():
    look = study()
    first, second = asked(look), asked(look, attempt=2)
    assert second["mb"] == 2 * first["mb"] and second["minutes"] == first["minutes"]
    assert first["minutes"] == 20 and first["retries"] == 3 and asked(look, slurm=False)["retries"] is None
    long = study(training={"epochs": 10**8})  # 72 images of 1,576,512 operations at 1.5e10 per second, twice: 17.5 days
    assert asked(long)["minutes"] == 24 * 60 and asked(long)["retries"] == 20


def test_batches_that_are_read_ahead_are_bytes_but_of_randaugment_floats():
    crop, floats = (study(training={"augmentation": {"kind": kind}}, threads=1000) for kind in ("crop", "randaugment"))
    pixels = 3 * math.prod(grid.sides(crop.models["mae_finetuned"]["preprocessing"]["crop"]))
    ahead = 2002 * crop.models["mae_finetuned"]["training"]["batch_size"] * pixels / 1e6
    assert asked(floats)["mb"] - asked(crop)["mb"] == pytest.approx(3 * ahead, abs=1)


def test_arithmetic_of_a_training_counted_by_hand():
    """Two blocks, 24 wide, on 5 tokens, CLS and 4 of 16 patches; a decoder block, 8 wide, on 17; three such passes."""
    encoder = 2 * (5 * 2 * 12 * 24**2 + 2 * 2 * 5 * 5 * 24)
    decoder = 17 * 2 * 12 * 8**2 + 2 * 2 * 17 * 17 * 8
    look = study()
    assert sizes.training_flops_of(look.models["mae_pretrained"]) == 3 * (encoder + decoder)
    whole = 2 * (17 * 2 * 12 * 24**2 + 2 * 2 * 17 * 17 * 24)
    assert sizes.training_flops_of(look.models["mae_finetuned"]) == 3 * whole
    probed = study(training=probe())
    assert sizes.training_flops_of(probed.models["mae_finetuned"]) == whole


def test_a_probe_of_photographs_is_that_of_the_official_code():
    config = yaml.safe_load(SMALLEST.read_text())
    for name in ("mae_pretrained", "mae_finetuned"):
        config["models"][name] |= {
            "preprocessing": PHOTOGRAPHS,
            "arguments": {},
            "architecture": "vit_base_patch16_224",
        }
    config["models"]["mae_finetuned"]["training"] = probe(dataset="three_train")
    config["models"]["mae_pretrained"]["training"]["decoder"] = {}
    own = settings.check(config, SCHEMA)["models"]["mae_finetuned"]
    found = own["training"]
    expected = {"learning_rate": 6.4, "batch_size": 16384, "weight_decay": 0, "warmup_epochs": 10, "optimizer": "lars"}
    expected |= {"smoothing": 0, "smallest_learning_rate": 0, "mixup": 0, "cutmix": 0, "drop_path": 0}
    assert {key: found[key] for key in expected} == expected
    assert found["augmentation"] == {"kind": "crop", "area": [0.08, 1.0], "flip": 0.5}
    assert own["training_run"]["device"] == "auto"


def test_a_probe_of_small_pictures_has_adamw_and_is_trained_by_its_own_rule():
    look = study(training=probe())
    found = look.models["mae_finetuned"]["training"]
    assert (found["optimizer"], found["weight_decay"], found["smoothing"]) == ("adamw", 0, 0)
    assert look.trained_by("probe") == ["mae_finetuned"] and look.trained_by("finetune") == []
    assert look.initial(SimpleNamespace(model="mae_finetuned")) == "results/models/mae_pretrained.safetensors"


@pytest.mark.parametrize(
    ("training", "changes", "said"),
    [
        (probe(initial=None), {}, r"training\.initial: None is not among models"),
        (probe(batch_size=1), {}, r"training\.batch_size: a probe's batch norm needs 2 images"),
        (probe(batch_size=6, accumulation=6), {}, r"training\.batch_size: a probe's batch norm needs 2 images"),
        (probe(drop_path=0.1), {}, r"training\.drop_path: only for recipe finetune and scratch, not probe"),
        (probe(), {"pooling": "map"}, r"training\.recipe: a probe reads CLS or the mean"),
        ({"optimizer": "lars"}, {}, r"training\.optimizer: lars is of recipe probe, not finetune"),
    ],
)
def test_a_probe_that_cannot_be_is_refused_by_its_key(training, changes, said):
    with pytest.raises(InputError, match=said):
        study(training=training, **changes)


def test_the_sweep_over_imagenet_100_is_18_pretrainings_and_as_many_fine_tunings(tmp_path):
    config = yaml.safe_load((REPOSITORY / "config/sweep_imagenet100.yaml").read_text())
    config["folders"]["imagenet"] = str(tmp_path)
    (tmp_path / "imagenet100.txt").write_text("".join(f"n{number:08}\n" for number in range(100)))
    look = TargetLookUps(settings.check(config, SCHEMA))
    assert len(look.trained_by("pretrain")) == len(look.trained_by("finetune")) == 18
    swept = [(one["ratio"], one["patch"]) for one in Sweep(look).settings()]
    ratios = {(0.25, 16), (0.5, 16), (0.75, 16), (0.9, 16), (0.75, 8), (0.75, 32)}
    assert set(swept) == ratios and len(swept) == 6 * 3 * 2
    pretraining, tuning = (look.models[f"{name}-2"] for name in ("patch_8", "patch_8_tuned"))
    assert pretraining["training"]["learning_rate"] == 1.5e-4 * 1024 / 256
    assert pretraining["training"]["norm_pix_loss"] and pretraining["training"]["warmup_epochs"] == 20
    assert tuning["training"]["initial"] == "patch_8-2" and tuning["training"]["layer_decay"] == 0.65
    for name in look.trained:
        assert asked(look, name)["gpu"] == 1 and asked(look, name)["minutes"] > 60, name


def test_the_study_in_the_documentation_can_be_used(tmp_path):
    """With its folders, 200 species and a file of weights pretended."""
    page = (REPOSITORY / "docs/training.md").read_text()
    config = yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])
    config["folders"] = dict.fromkeys(config["folders"], str(tmp_path))
    (tmp_path / "classes.txt").write_text("".join(f"species {number}\n" for number in range(200)))
    look = TargetLookUps(settings.check(config, SCHEMA))
    assert (look.trained_by("finetune"), look.trained_by("probe")) == (["tuned"], ["probed"])
    tuned, probed = (look.models[name]["training"] for name in ("tuned", "probed"))
    assert tuned["learning_rate"] == 5e-4 * 1024 / 256 and probed["learning_rate"] == 6.4
    assert asked(look, "probed")["gpu"] == 1
