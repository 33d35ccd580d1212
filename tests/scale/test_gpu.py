"""Extraction on a GPU against the same on a CPU, where there is one: tokens, their files, and too little memory."""

import logging

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

from maescope.images import perturbations, reading
from maescope.models import architectures, devices
from maescope.tokens import extraction, store

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
DEVICE = "cuda"
PREPROCESSING = reading.Preprocessing(256, 224, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
VIT, BEIT = "vit_small_patch16_224", "beit_base_patch16_224"
LABELS = ["china", "flower"]


def extractor(device, architecture=VIT, perturbation=None, precision="float32", **wanted):
    torch.manual_seed(0)
    model = devices.to_device(architectures.build(architecture, {}, 1000, "avg"), device, precision)
    return extraction.Extractor(model, perturbation or perturbations.Clean(), PREPROCESSING, **wanted)


def pieces(count):
    """Pieces of scikit-learn's two photographs in turn, (count, 3, 224, 224) uint8, and their names."""
    photographs, rng = load_sample_images().images, np.random.default_rng(0)
    corners = rng.integers(0, 200, (count, 2))
    crops = [photographs[n % 2][top : top + 224, left : left + 224] for n, (top, left) in enumerate(corners)]
    return np.stack(crops).transpose(0, 3, 1, 2), [f"{LABELS[n % 2]}/{n}.png" for n in range(count)]


def stored(extractor, count):
    """All that is stored of so many images, level by level."""
    pixels, names = pieces(count)
    ranks = np.random.default_rng(1).random((count, 196), dtype=np.float32)
    return {level: given() for level, given in extractor.passes(pixels, names, ranks, "float32")}


def arrays(file, level):
    return {name: file.read(level, name) for name in ("cls", "mean", "head", "logits")}


def assert_near(found, expected, share):
    """The same arrays, off by no more than a share of the largest value."""
    assert list(found) == list(expected)
    for level, arrays in expected.items():
        assert set(found[level]) == set(arrays)
        for name, array in arrays.items():
            off = np.abs(found[level][name].astype(float) - array).max()
            assert off <= share * np.abs(array).max(), f"{name} of level {level} is off by {off}"


OCCLUSION = {"kind": "occlusion", "fill": "mean", "levels": [0, 30, 90], "rollout": "head"}


@pytest.mark.parametrize(
    ("architecture", "entry", "wanted"),
    [
        (VIT, {"kind": "clean"}, {"attention": True, "patch": True}),
        (BEIT, {"kind": "clean"}, {"attention": True}),
        (VIT, {"kind": "mask", "ratio": 0.75, "masks": 2}, {"patch": True}),
        (VIT, {"kind": "blur", "levels": {"I": {"kernel": 5, "sigma": 1.0}, "II": {"kernel": 31, "sigma": 9.0}}}, {}),
        (VIT, OCCLUSION | {"order": "most"}, {}),
        (VIT, OCCLUSION | {"order": "random"}, {}),
        (VIT, OCCLUSION | {"order": "least", "fill": "drop"}, {}),
        (VIT, {"kind": "corruption", "name": "fog", "folder": None, "frost": None}, {}),
    ],
)
def test_tokens_are_those_of_the_cpu(architecture, entry, wanted):
    expected, found = (
        stored(extractor(device, architecture, perturbations.build(entry, 0, "photographs"), **wanted), 6)
        for device in ("cpu", DEVICE)
    )
    assert_near(found, expected, 1e-4)


def test_bfloat16_tokens_point_where_float32_ones_do():
    expected, found = stored(extractor("cpu"), 6), stored(extractor(DEVICE, precision="bfloat16"), 6)
    for name in ("cls", "mean"):
        one, other = (tokens["clean"][name].astype(float) for tokens in (expected, found))
        cosines = (one * other).sum(-1) / np.linalg.norm(one, axis=-1) / np.linalg.norm(other, axis=-1)
        assert cosines.min() > 0.999, name


def test_files_of_several_labels_and_batches_are_those_of_the_cpu(tmp_path):
    """Each is read, computed, copied and written beside the others, in its place all the same."""
    pixels, names = pieces(20)
    for name, crop in zip(names, pixels.transpose(0, 2, 3, 1), strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(crop).save(tmp_path / name)
    rows = pd.DataFrame({"image": names, "path": [str(tmp_path / name) for name in names], "target": -1})
    rows["label"] = rows["image"].str.partition("/")[0]
    blur = {"kind": "blur", "levels": {"I": {"kernel": 5, "sigma": 1.0}, "II": {"kernel": 31, "sigma": 9.0}}}
    files = {}
    for device in ("cpu", DEVICE):
        made = {label: str(tmp_path / device / f"{label}.h5") for label in LABELS}
        one = extractor(device, perturbation=perturbations.build(blur, 0, "photographs"))
        assert sum(extraction.extract(one, rows, made, None, {"config_hash": ""}, 4)) == len(names)
        files[device] = store.token_files(LABELS, tmp_path / device, "")
    for label in LABELS:
        expected, found = ({level: arrays(own[label], level) for level in blur["levels"]} for own in files.values())
        assert_near(found, expected, 1e-4)


def test_row_28_a_batch_that_does_not_fit_is_halved_and_gives_the_same_tokens(caplog):
    expected = stored(extractor("cpu"), 256)
    one, total = extractor(DEVICE), torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    try:
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + (128 << 20)) / total)
        with caplog.at_level(logging.WARNING):
            found = stored(one, 256)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert "GPU memory is not enough for 256 images at a time, going on with 128" in caplog.text
    assert_near(found, expected, 1e-4)
