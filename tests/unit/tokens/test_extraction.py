"""A GPU whose memory is not enough: the batch halves and goes on. There is none here: the model itself says so."""

import logging
import threading
from contextlib import nullcontext

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from timm.models.vision_transformer import VisionTransformer

from maescope.base.errors import InputError
from maescope.images import perturbations, reading
from maescope.tokens import extraction, gradients, store

PREPROCESSING = reading.Preprocessing(8, 8, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
NAMES = [f"cat/{number}.png" for number in range(7)]


def tiny():
    torch.manual_seed(0)
    size = {"img_size": 8, "patch_size": 4, "embed_dim": 16, "depth": 2, "num_heads": 2}
    return VisionTransformer(**size, num_classes=5, global_pool="avg").eval()


NO_MEMORY = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def arrays(most, perturbation, error=NO_MEMORY, **wanted):
    """What is stored of seven images where a pass of more than `most` does not fit, and the sizes of all passes."""
    model, passes = tiny(), []

    def fits(module, inputs):
        passes.append(len(inputs[0]))
        if len(inputs[0]) > most:
            raise error

    model.patch_embed.register_forward_pre_hook(fits)
    extractor = extraction.Extractor(model, perturbation, PREPROCESSING, **wanted)
    pixels = np.random.default_rng(0).integers(0, 256, (7, 3, 8, 8), dtype=np.uint8)
    scores = np.random.default_rng(1).random((7, 4), dtype=np.float32)
    return {level: given() for level, given in extractor.passes(pixels, NAMES, scores, "float32")}, passes


@pytest.mark.parametrize(
    ("perturbation", "wanted"),
    [
        (perturbations.Clean(), {"attention": True}),
        (perturbations.Mask(0.5, 2, 0, "pets"), {"patch": True}),
        (perturbations.Occlusion((0, 50), "most", "mean", 0, "pets"), {}),
    ],
)
def test_half_the_images_at_a_time_give_the_same_tokens(perturbation, wanted, caplog):
    whole, _ = arrays(7, perturbation, **wanted)
    with caplog.at_level(logging.WARNING):
        halved, passes = arrays(2, perturbation, **wanted)
    assert passes[:6] == [7, 3, 1, 1, 1, 1] and 7 not in passes[1:]  # never tried again at a size that failed
    assert "not enough for 7 images at a time, going on with 3; lower batch_size" in caplog.text
    assert list(halved) == list(whole) == list(perturbation.levels)
    for level, expected in whole.items():
        assert set(halved[level]) == set(expected)
        for name, value in expected.items():
            assert halved[level][name].shape == value.shape, name
            assert np.abs(halved[level][name].astype(float) - value).max() <= 1e-5, name


def test_patches_are_ranked_by_the_gradient_of_the_clean_image_as_the_model_takes_it():
    """Whatever scores are there. Alone, halved on a small GPU, or whole: the same patches go, and the right ones."""
    ranked = perturbations.Occlusion((0, 25, 75), "most", "mean", 0, "pets", "gradient")
    whole, passes = arrays(7, ranked)
    assert passes == [7] * 4  # there and back once, then a pass a level
    pixels = np.random.default_rng(0).integers(0, 256, (7, 3, 8, 8), dtype=np.uint8)
    scores = [
        gradients.relevance(tiny(), torch.tensor(image[None] / 127.5 - 1, dtype=torch.float32)) for image in pixels
    ]
    order = torch.cat(scores).argsort(1, descending=True).numpy()
    for level, gone in (("0", 0), ("25", 1), ("75", 3)):
        expected = np.zeros((7, 4), bool)
        np.put_along_axis(expected, order[:, :gone], True, 1)
        assert (whole[level]["masked"] == expected).all()
    halved, _ = arrays(2, ranked)
    assert all((halved[level]["masked"] == whole[level]["masked"]).all() for level in whole)
    least, _ = arrays(7, perturbations.Occlusion((25,), "least", "mean", 0, "pets", "gradient"))
    assert (least["25"]["masked"] != whole["75"]["masked"]).all()


def test_a_gpu_too_small_for_one_image_is_an_error_with_a_remedy():
    with pytest.raises(InputError, match=r"not enough for one image; .* precision: bfloat16 or device: cpu"):
        arrays(0, perturbations.Clean())


def test_images_that_do_not_fit_on_their_way_to_the_gpu_are_halved_as_well(monkeypatch):
    def room_for_three(tensor, device):
        if len(tensor) > 3:
            raise NO_MEMORY
        return perturbations.on_device(tensor, device)

    expected, _ = arrays(7, perturbations.Occlusion((0, 50), "most", "mean", 0, "pets"))
    monkeypatch.setattr(extraction, "on_device", room_for_three)
    found, passes = arrays(7, perturbations.Occlusion((0, 50), "most", "mean", 0, "pets"))
    assert passes == [3, 3, 1] * 2
    for level, own in expected.items():
        np.testing.assert_allclose(found[level]["logits"], own["logits"], atol=1e-5)


def test_a_batch_goes_to_the_device_once_for_all_its_levels(monkeypatch):
    gone = []
    monkeypatch.setattr(extraction, "on_device", lambda tensor, device: gone.append(tuple(tensor.shape)) or tensor)
    arrays(7, perturbations.Occlusion((0, 50), "most", "mean", 0, "pets"))
    assert gone == [(7, 3, 8, 8), (7, 4)]  # pixels and scores


def test_what_cublas_wants_for_itself_counts_as_memory():
    error = RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")
    assert arrays(2, perturbations.Clean(), error)[1] == [7, 3, 1, 1, 1, 1, 1, 1, 1]


def test_other_errors_of_a_pass_are_not_taken_for_a_lack_of_memory():
    with pytest.raises(RuntimeError, match="illegal memory access"):
        arrays(2, perturbations.Clean(), RuntimeError("CUDA error: an illegal memory access was encountered"))


def test_options_of_the_forward_pass_change_what_they_say_and_nothing_else():
    plain, other = (
        arrays(7, perturbations.Clean(), options=options)[0]["clean"] for options in ({}, {"heads_without_cls": True})
    )
    assert np.abs(plain["head"] - other["head"]).max() > 1e-4
    assert np.array_equal(plain["cls"], other["cls"]) and np.array_equal(plain["logits"], other["logits"])


def test_a_value_that_is_not_finite_names_its_image_and_layer():
    model = tiny()
    torch.nn.init.constant_(model.blocks[1].mlp.fc2.bias, float("nan"))
    extractor = extraction.Extractor(model, perturbations.Clean(), PREPROCESSING)
    ((_, given),) = extractor.passes(np.zeros((7, 3, 8, 8), np.uint8), NAMES, None, "float32")
    with pytest.raises(InputError, match=r"cat/0\.png: \w+ of level clean is not finite at layer 2; check the weights"):
        given()


def test_what_float16_cannot_hold_is_no_fault_of_the_weights():
    model = tiny()
    torch.nn.init.constant_(model.blocks[1].mlp.fc2.bias, 1e5)
    extractor = extraction.Extractor(model, perturbations.Clean(), PREPROCESSING)
    ((_, given),) = extractor.passes(np.zeros((7, 3, 8, 8), np.uint8), NAMES, None, "float16")
    with pytest.raises(InputError, match=r"cat/0\.png: \w+ of level clean .* layer 2; set tokens_dtype: float32"):
        given()


@pytest.mark.parametrize(
    ("perturbation", "dtype", "wanted", "told"),
    [
        (perturbations.Clean(), "float32", {"patch": True}, True),
        (perturbations.Clean(), "float16", {"patch": True}, False),
        (perturbations.Mask(0.5, 2, 0, "pets"), "float32", {"patch": True}, False),  # two of four patches are seen
        (perturbations.Clean(), "float32", {}, False),
    ],
)
def test_patch_tokens_that_no_file_takes_are_told_before_the_first_pass(perturbation, dtype, wanted, told, monkeypatch):
    model = tiny()
    monkeypatch.setattr(store, "CHUNK", 4 * model.embed_dim * 2)  # bytes of 4 patches in float16
    extractor = extraction.Extractor(model, perturbation, PREPROCESSING, **wanted)
    words = r"models\.vit: patch tokens: .* GB per image and layer, .*; lower img_size"
    with pytest.raises(InputError, match=words) if told else nullcontext():
        extraction.require_pieces(extractor, "vit", dtype)


LABELS = {"cat": 3, "dog": 5, "owl": 1}


@pytest.fixture
def pets(tmp_path):
    """Pictures of three labels, each of one grey, and a tree of fog of two severities beside them."""
    rows = []
    for label, count in LABELS.items():
        for number in range(count):
            name = f"{label}/{number}.png"
            for folder in ("clean", "fog/1", "fog/2"):
                path = tmp_path / folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.random.default_rng(len(rows)).integers(0, 200, (8, 8, 3), dtype=np.uint8)).save(path)
            rows.append({"label": label, "image": name, "path": str(tmp_path / "clean" / name), "target": len(rows)})
    return pd.DataFrame(rows)


def extracted(folder, rows, perturbation, batch_size):
    """Everything that the token files hold, by label, level and name, and how many images were done with each batch."""
    extractor = extraction.Extractor(tiny(), perturbation, PREPROCESSING)
    outputs = {label: str(folder / f"{batch_size}/{label}.h5") for label in LABELS}
    done = list(extraction.extract(extractor, rows, outputs, None, {"config_hash": "h"}, batch_size))
    found = {}
    for label, path in outputs.items():
        with store.open_tokens(path, "h") as tokens:
            assert tokens.images == rows.loc[rows["label"] == label, "image"].tolist()
            for level in tokens.levels:
                found[label, level] = {name: tokens.read(level, name) for name in ("cls", "mean", "head", "logits")}
    return found, done


def on_disk(folder):
    return perturbations.CorruptionFiles(str(folder / "fog"), ("1", "2"))


@pytest.mark.parametrize("kind", ["blur", "files"])
def test_tokens_are_those_of_each_picture_alone_whatever_the_batches(kind, pets, tmp_path):
    perturbation = on_disk(tmp_path) if kind == "files" else perturbations.Blur({"1": (3, 1.0), "2": (5, 2.0)})
    for batch_size in (2, 64):
        found, done = extracted(tmp_path, pets, perturbation, batch_size)
        assert done == ([2, 1, 2, 2, 1, 1] if batch_size == 2 else [3, 5, 1])
        for (label, level), arrays in found.items():
            for number, row in enumerate(pets[pets["label"] == label].itertuples()):
                path = perturbation.path(level, label, row.image) if kind == "files" else row.path
                pixels = torch.from_numpy(np.asarray(Image.open(path)).transpose(2, 0, 1).copy())[None] / 255
                if kind == "blur":
                    pixels = perturbation.apply(level, perturbations.Batch(pixels, [row.image]), None).pixels
                with torch.inference_mode():
                    logits = tiny()((pixels - 0.5) / 0.5)[0].numpy()
                assert np.abs(arrays["logits"][number] - logits).max() <= 1e-5


def test_corruptions_on_disk_are_read_without_the_clean_pictures(pets, tmp_path):
    for path in pets["path"]:
        open(path, "w").close()
    extracted(tmp_path, pets, on_disk(tmp_path), 2)


def test_the_next_label_is_read_while_the_model_has_this_one(pets, tmp_path, monkeypatch):
    """The pass of the first label, its only batch, waits for the second label to be read: it must not wait for ever."""
    second, load = threading.Event(), reading.load

    def noticed(path):
        if "dog" in path:
            second.set()
        return load(path)

    monkeypatch.setattr(reading, "load", noticed)
    model, overlapped = tiny(), []
    model.patch_embed.register_forward_pre_hook(lambda *_: overlapped.append(second.wait(timeout=5)))
    extractor = extraction.Extractor(model, perturbations.Clean(), PREPROCESSING)
    outputs = {label: str(tmp_path / f"{label}.h5") for label in LABELS}
    list(extraction.extract(extractor, pets, outputs, None, {"config_hash": "h"}, 64))
    assert overlapped == [True] * 3


@pytest.mark.parametrize(("labels", "batch_size"), [(["dog"], 2), (list(LABELS), 64)])
def test_a_batch_is_written_while_the_model_has_the_next(labels, batch_size, pets, tmp_path, monkeypatch):
    """Each writing but the last waits for the pass behind it, of the next label too: it must not wait for ever."""
    model, passes, overlapped, write = tiny(), threading.Semaphore(0), [], store.TokenWriter.write
    model.patch_embed.register_forward_pre_hook(lambda *_: passes.release())

    def noticed(writer, level, start, arrays):
        passes.acquire()  # its own
        overlapped.append(passes.acquire(timeout=5 if len(overlapped) < 2 else 0))
        if overlapped[-1]:
            passes.release()
        write(writer, level, start, arrays)

    monkeypatch.setattr(store.TokenWriter, "write", noticed)
    monkeypatch.setattr(extraction, "CPU_IS_FREE", {"cpu"})  # as with a GPU
    extractor = extraction.Extractor(model, perturbations.Clean(), PREPROCESSING)
    outputs = {label: str(tmp_path / f"{label}.h5") for label in labels}
    rows = pets[pets["label"].isin(labels)]
    list(extraction.extract(extractor, rows, outputs, None, {"config_hash": "h"}, batch_size))
    assert overlapped == [True, True, False]
    for label, path in outputs.items():
        with store.open_tokens(path, "h") as tokens:
            assert tokens.images == rows.loc[rows["label"] == label, "image"].tolist()


@pytest.mark.parametrize("beside", [set(), {"cpu"}])
@pytest.mark.parametrize("start", [0, 4])
def test_what_goes_wrong_in_writing_ends_the_extraction_and_leaves_no_file(start, beside, pets, tmp_path, monkeypatch):
    def full(writer, level, at, arrays):
        if at == start:
            raise OSError("no space")

    monkeypatch.setattr(store.TokenWriter, "write", full)
    monkeypatch.setattr(extraction, "CPU_IS_FREE", beside)
    extractor = extraction.Extractor(tiny(), perturbations.Clean(), PREPROCESSING)
    dogs = pets[pets["label"] == "dog"]
    with pytest.raises(OSError, match="no space"):
        list(extraction.extract(extractor, dogs, {"dog": str(tmp_path / "dog.h5")}, None, {"config_hash": "h"}, 2))
    assert not list(tmp_path.glob("*.h5*"))


@pytest.mark.parametrize("beside", [set(), {"cpu"}])
def test_a_value_that_is_not_finite_leaves_no_file(beside, pets, tmp_path, monkeypatch):
    monkeypatch.setattr(extraction, "CPU_IS_FREE", beside)
    model = tiny()
    torch.nn.init.constant_(model.blocks[1].mlp.fc2.bias, float("nan"))
    extractor = extraction.Extractor(model, perturbations.Clean(), PREPROCESSING)
    outputs = {label: str(tmp_path / f"{label}.h5") for label in LABELS}
    with pytest.raises(InputError, match=r"cat/0\.png: \w+ of level clean is not finite at layer 2"):
        list(extraction.extract(extractor, pets, outputs, None, {"config_hash": "h"}, 2))
    assert not list(tmp_path.glob("*.h5*"))


def test_the_disk_is_asked_for_the_room_of_what_is_still_to_be_made(pets, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(extraction.disk, "require_space", lambda folder, size: asked.append((folder, size)))
    extractor = extraction.Extractor(tiny(), perturbations.Clean(), PREPROCESSING)
    for labels in (LABELS, ["dog"]):
        outputs = {label: str(tmp_path / f"{label}.h5") for label in labels}
        list(extraction.extract(extractor, pets, outputs, None, {"config_hash": "h"}, 2))
    (folder, every), (_, some) = asked
    assert folder == tmp_path
    assert some / every == pytest.approx(pets["label"].eq("dog").mean())


def test_batches_are_as_large_as_each_other_and_take_no_room_for_what_is_not_there(pets, tmp_path):
    extracted(tmp_path, pets, perturbations.Clean(), 4)
    with h5py.File(tmp_path / "4/dog.h5") as file:
        assert file["levels/clean/cls"].chunks[:2] == (1, 3)  # five images: three and two, not four and one


def test_the_file_of_a_label_is_whole_before_the_next_is_done(pets, tmp_path):
    extractor = extraction.Extractor(tiny(), perturbations.Clean(), PREPROCESSING)
    outputs = {label: str(tmp_path / f"{label}.h5") for label in LABELS}
    there, done = {}, 0
    for images in extraction.extract(extractor, pets, outputs, None, {"config_hash": "h"}, 2):
        done += images
        there[pets["label"][done - 1]] = sorted(path.stem for path in tmp_path.glob("[a-z]*.h5"))  # no temporary ones
    assert there == {"cat": [], "dog": ["cat"], "owl": ["cat", "dog"]}


@pytest.mark.parametrize("cls", [True, False])
def test_a_file_says_whether_there_is_cls_and_has_what_is_of_it(cls, pets, tmp_path):
    torch.manual_seed(0)
    size = {"img_size": 8, "patch_size": 4, "embed_dim": 16, "depth": 2, "num_heads": 2, "reg_tokens": 3}
    model = VisionTransformer(**size, num_classes=5, global_pool="avg", class_token=cls).eval()
    extractor = extraction.Extractor(model, perturbations.Clean(), PREPROCESSING, patch=True, attention=True)
    attributes = {"config_hash": "h"} | extraction.beside_patches(model)
    assert attributes["prefix_tokens"] == 3 + cls and ("cls_token" in attributes) != cls
    path = str(tmp_path / "cat.h5")
    list(extraction.extract(extractor, pets, {"cat": path}, None, attributes, 64))
    with store.open_tokens(path, "h") as tokens:
        assert tokens.embeddings == (("cls", "mean") if cls else ("mean",))
        there = set(tokens.file["levels/clean"])
        assert {"cls", "cls_attention", "rollout_cls"} <= there if cls else not any("cls" in name for name in there)
        assert tokens.read("clean", "rollout").shape == (3, 4)
    store.read_all(path, "h")
