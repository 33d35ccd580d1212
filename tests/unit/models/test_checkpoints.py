"""Weights are loaded whole and strictly, or refused by name; nothing in them is executed."""

import argparse
import collections
import datetime
import hashlib
import logging
import os
import pathlib
import pickle
import re
import types
import zipfile

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer

from maescope.base.errors import InputError
from maescope.models import architectures, checkpoints, devices, unpickling
from maescope.tokens import attention_statistics
from maescope.tokens.forward import forward

TINY = {"img_size": 8, "patch_size": 4, "embed_dim": 16, "depth": 2, "num_heads": 2}
HUB_MODEL = "test_vit.r160_in1k"


def tiny(seed=0, **changes):
    torch.manual_seed(seed)
    return VisionTransformer(**{**TINY, "num_classes": 0, **changes}).eval()


def same(model, state):
    own = model.state_dict()
    return all(torch.equal(own[name], value) for name, value in state.items())


def saved(state, path):
    save_file(state, path)
    return str(path)


def refused(model, path, match):
    """Loading raises, in one line that names the file, and leaves the model as it was."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(InputError, match=match) as caught:
        checkpoints.load(model, str(path))
    assert os.path.basename(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert same(model, before)


def test_a_checkpoint_of_the_official_layout_with_decoder_and_namespace_loads(tmp_path):
    state = tiny(seed=1).state_dict()
    decoder = {"mask_token": torch.zeros(1, 1, 8), "decoder_embed.weight": torch.zeros(8, 16)}
    args = argparse.Namespace(mask_ratio=0.75, output_dir="out", betas=[0.9, 0.95])
    torch.save({"model": state | decoder, "args": args, "epoch": 7}, tmp_path / "mae.pth")
    model = tiny()
    digest = checkpoints.load(model, str(tmp_path / "mae.pth"))
    assert same(model, state)
    assert digest == hashlib.sha256((tmp_path / "mae.pth").read_bytes()).hexdigest()


@pytest.mark.parametrize("legacy", [False, True])
def test_a_bare_state_dict_loads(legacy, tmp_path):
    state = tiny(seed=1).state_dict()
    torch.save(state, tmp_path / "plain.pth", _use_new_zipfile_serialization=not legacy)
    model = tiny()
    checkpoints.load(model, str(tmp_path / "plain.pth"))
    assert same(model, state)


@pytest.mark.parametrize("under", ["model", "state_dict", None])
@pytest.mark.parametrize("before", ["", "module."])
def test_state_dicts_are_found_where_trainings_put_them(under, before, tmp_path):
    state = tiny(seed=1).state_dict()
    saved = {before + name: value for name, value in state.items()}
    torch.save({under: saved, "epoch": 3} if under else saved, tmp_path / "w.pth")
    model = tiny()
    checkpoints.load(model, str(tmp_path / "w.pth"))
    assert same(model, state)


@pytest.mark.parametrize("under", ["model", "state_dict"])
@pytest.mark.parametrize("other", ["state_dict_ema", "model_ema"])
def test_an_average_of_the_weights_is_not_read_and_a_warning_says_how_it_is(under, other, tmp_path, caplog):
    state = tiny(seed=1).state_dict()
    torch.save({under: state, other: tiny(seed=2).state_dict()}, tmp_path / "timm.pth")
    torch.save({under: state, other: None}, tmp_path / "none.pth")
    for name, said in (
        ("none.pth", []),
        ("timm.pth", [f"has {under}, which is read, and {other}: to use that, set weights_key: {other}"]),
    ):
        model = tiny()
        with caplog.at_level(logging.WARNING):
            checkpoints.load(model, str(tmp_path / name))
        assert same(model, state)
        assert len(caplog.records) == len(said)
        assert all(words in caplog.text and name in caplog.text for words in said)


def test_the_keys_of_a_file_without_a_state_dict_are_named(tmp_path):
    torch.save({"student": {}, "teacher": {}}, tmp_path / "dino.pth")
    refused(tiny(), tmp_path / "dino.pth", "under model or state_dict.*, but 'student', 'teacher'$")


def test_safetensors_load_and_come_back_from_save(tmp_path):
    state = tiny(seed=1).state_dict()
    checkpoints.save(state, str(tmp_path / "m.safetensors"), {"recipe": "pretrain"})
    model = tiny()
    checkpoints.load(model, str(tmp_path / "m.safetensors"))
    assert same(model, state)
    assert [path.name for path in tmp_path.iterdir()] == ["m.safetensors"]


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickled_payload_is_refused_and_not_executed(zipped, tmp_path):
    args = Payload(tmp_path / "owned")
    if zipped:
        torch.save({"model": tiny().state_dict(), "args": args}, tmp_path / "evil.pth")
    else:
        (tmp_path / "evil.pth").write_bytes(pickle.dumps({"args": args}, protocol=2))
    refused(tiny(), tmp_path / "evil.pth", r"evil\.pth \(\d+ bytes\): refused, it would execute \S*mkdir")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("keep", [0.01, 0.5, 0.98])
def test_a_truncated_checkpoint_is_refused_with_its_size(name, keep, tmp_path):
    state = tiny().state_dict()
    torch.save(state, tmp_path / name) if name.endswith("pth") else save_file(state, tmp_path / name)
    size = int(keep * (tmp_path / name).stat().st_size)
    os.truncate(tmp_path / name, size)
    refused(tiny(), tmp_path / name, rf"\({size} bytes\): no whole checkpoint")


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize(
    "page", [b"<!doctype html>\n<html><body>404</body></html>\n", b"version https://git-lfs", b"\x80\x02."]
)
def test_what_is_no_checkpoint_is_refused_with_its_size(name, page, tmp_path):
    (tmp_path / name).write_bytes(page)
    refused(tiny(), tmp_path / name, rf"\({len(page)} bytes\): no whole checkpoint")


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_an_empty_or_missing_checkpoint_is_refused(name, tmp_path):
    refused(tiny(), tmp_path / name, "no such file")
    (tmp_path / name).touch()
    refused(tiny(), tmp_path / name, "empty file")


@pytest.mark.parametrize("content", [[1, 2], {"model": {"a": 1}}, {"epoch": 3}, {}, {0: torch.ones(1)}])
def test_a_file_without_a_state_dict_is_refused(content, tmp_path):
    torch.save(content, tmp_path / "odd.pth")
    refused(tiny(), tmp_path / "odd.pth", "holds no state dict")


def test_another_architecture_is_refused_with_its_first_mismatching_shape(tmp_path):
    path = saved(tiny(embed_dim=24, num_heads=2).state_dict(), tmp_path / "wide.safetensors")
    refused(tiny(), path, r"cls_token has shape \(1, 1, 24\), the architecture needs \(1, 1, 16\)")


def test_weights_with_fewer_or_more_layers_are_refused(tmp_path):
    path = saved(tiny(depth=1).state_dict(), tmp_path / "shallow.safetensors")
    refused(tiny(), path, r"has no blocks\.1\.\S+; its depth is 1, the architecture's 2: set arguments\.depth: 1$")
    path = saved(tiny(depth=3).state_dict(), tmp_path / "deep.safetensors")
    refused(
        tiny(), path, r"has blocks\.2\.\S+ and \d+ more that the architecture does not; .* set arguments\.depth: 3$"
    )


def test_names_of_another_kind_are_shown_with_the_architectures_own(tmp_path):
    torch.save({"layers.0.weight": torch.zeros(5, 16), "layers.0.bias": torch.zeros(5)}, tmp_path / "other.pth")
    match = (
        r"names are 'layers\.0\.weight', 'layers\.0\.bias' and .*\(cls_token, pos_embed, \.\.\.\) and none of a layout"
    )
    refused(tiny(), tmp_path / "other.pth", match)
    with pytest.raises(InputError, match=match):
        checkpoints.load_encoder(tiny(num_classes=5, global_pool="avg"), str(tmp_path / "other.pth"))


def test_pretrained_weights_are_refused_where_a_head_is_needed(tmp_path):
    path = saved(tiny().state_dict(), tmp_path / "pretrained.safetensors")
    refused(tiny(num_classes=5), path, r"has no classification head \(head\.weight\); give fine-tuned weights")


def test_a_head_that_the_model_lacks_is_refused_with_a_hint(tmp_path):
    path = saved(tiny(num_classes=5).state_dict(), tmp_path / "tuned.safetensors")
    refused(tiny(), path, "set num_classes for a model with a head")


def test_weights_for_the_other_pooling_are_refused_with_a_hint(tmp_path):
    path = saved(tiny(num_classes=5, global_pool="avg").state_dict(), tmp_path / "avg.safetensors")
    refused(tiny(num_classes=5), path, r"has no norm\.weight; .*pooling should be another")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(value, tmp_path):
    state = tiny().state_dict()
    state["blocks.1.mlp.fc1.weight"][3, 4] = value
    path = saved(state, tmp_path / "nan.safetensors")
    refused(tiny(), path, r"blocks\.1\.mlp\.fc1\.weight has values that are not finite")


def test_a_digest_that_differs_from_the_configured_one_is_refused(tmp_path):
    path = saved(tiny(seed=1).state_dict(), tmp_path / "w.safetensors")
    digest = hashlib.sha256((tmp_path / "w.safetensors").read_bytes()).hexdigest()
    assert checkpoints.load(tiny(), path, digest) == digest
    model, before = tiny(), tiny().state_dict()
    with pytest.raises(InputError, match=rf"w\.safetensors: its SHA-256 is {digest}, but .*{'0' * 64}"):
        checkpoints.load(model, path, "0" * 64)
    assert same(model, before)


def test_a_crop_that_is_not_the_input_is_refused_with_both_sizes():
    architectures.require_input(tiny(), 8)
    with pytest.raises(
        InputError, match=r"crop is 12 px, but the model's input is 8 x 8 px; .* resample_positions: true$"
    ):
        architectures.require_input(tiny(), 12)


@pytest.mark.parametrize(("crop", "shape"), [(16, (4, 4)), ([16, 24], (4, 6))])
@pytest.mark.parametrize("changes", [{}, {"reg_tokens": 3, "no_embed_class": True}])
def test_a_model_of_dynamic_img_size_takes_crops_of_another_size_as_timm_does(changes, crop, shape, tmp_path):
    own = tiny(seed=1, img_size=32, dynamic_img_size=True, num_classes=5, global_pool="avg", **changes)
    path = saved(own.state_dict(), tmp_path / "w.safetensors")
    arguments = TINY | {"img_size": 32, "dynamic_img_size": True} | changes
    model = architectures.build("vit_tiny_patch16_224", arguments, num_classes=5, pooling="avg")
    checkpoints.load(model, path)
    architectures.require_input(model, crop)
    images = torch.randn(2, 3, 4 * shape[0], 4 * shape[1], generator=torch.Generator().manual_seed(4))
    tokens = forward(model, images, attention=True)
    with torch.inference_mode():
        assert (tokens.logits - own(images)).abs().max() < 1e-6  # timm's own pass, which resamples anew
    assert model.patch_embed.grid_size == shape and tokens.rollout.shape == (2, shape[0] * shape[1])
    distances = attention_statistics.patch_distances(shape, (4, 4))
    assert tokens.attention_distance.max() <= distances.max()
    with pytest.raises(InputError, match=r"preprocessing\.crop is 16 px, but the model's input is 32 x 32 px"):
        architectures.require_input(own, 16, exact=True)
    with pytest.raises(InputError, match=r"preprocessing\.crop is 18 px, no multiple of the model's patches of 4 px"):
        architectures.require_input(model, 18)


def test_an_encoder_gives_a_classifier_its_blocks_and_leaves_the_head_anew(tmp_path):
    encoder = tiny(seed=1)
    torch.nn.init.constant_(encoder.norm.weight, 7.0)
    path = saved(encoder.state_dict() | {"mask_token": torch.zeros(1, 1, 8)}, tmp_path / "mae.safetensors")
    model = tiny(num_classes=5, global_pool="avg")
    head = {name: value.clone() for name, value in model.state_dict().items() if "head" in name or "fc_norm" in name}
    checkpoints.load_encoder(model, path)
    assert len(head) == 4
    assert same(model, head)
    assert same(model, {name: value for name, value in encoder.state_dict().items() if not name.startswith("norm.")})


def test_a_classifier_that_reads_cls_takes_the_final_norm_of_the_encoder_as_the_official_code_does(tmp_path):
    encoder = tiny(seed=1)
    torch.nn.init.constant_(encoder.norm.weight, 7.0)
    path = saved(encoder.state_dict(), tmp_path / "mae.safetensors")
    model = tiny(num_classes=5, global_pool="token")
    checkpoints.load_encoder(model, path)
    assert same(model, encoder.state_dict())
    without = {name: value for name, value in encoder.state_dict().items() if not name.startswith("norm.")}
    anew = tiny(num_classes=5, global_pool="token")
    checkpoints.load_encoder(anew, saved(without, tmp_path / "tuned.safetensors"))
    assert (anew.norm.weight == 1).all() and same(anew, without)


def test_an_encoder_of_another_size_is_refused(tmp_path):
    path = saved(tiny(embed_dim=24).state_dict(), tmp_path / "wide.safetensors")
    with pytest.raises(InputError, match=r"wide\.safetensors: \S+ has shape"):
        checkpoints.load_encoder(tiny(num_classes=5, global_pool="avg"), path)


def test_build_makes_the_vit_that_is_asked_for_in_evaluation_mode():
    model = architectures.build("vit_tiny_patch16_224", TINY, num_classes=3, pooling="avg")
    assert (model.embed_dim, len(model.blocks), model.num_classes, model.global_pool) == (16, 2, 3, "avg")
    assert isinstance(model.fc_norm, torch.nn.LayerNorm)
    assert not model.training


@pytest.mark.parametrize(
    ("architecture", "arguments", "match"),
    [
        ("vit_bse_patch16_224", {}, "vit_bse_patch16_224.*timm has vit_"),
        ("vit_base_patch16_224.mea", {}, r"Invalid pretrained tag .*timm has vit_base_patch16_224\.mae"),
        ("vit_tiny_patch16_224", {"pach_size": 4}, "pach_size"),
        ("vit_tiny_patch16_224", {"num_heads": 7}, "divisible"),
        ("vit_relpos_base_patch16_cls_224", {"depth": 1}, "is of timm's class VisionTransformerRelPos; maescope reads"),
    ],
)
def test_what_timm_does_not_know_or_is_no_vit_is_refused(architecture, arguments, match):
    with pytest.raises(InputError, match=match):
        architectures.build(architecture, arguments)


def hub_cache(folder, state, commit="0123456789abcdef0123456789abcdef01234567"):
    """The layout of the Hugging Face cache with one timm model in it."""
    repository = folder / "hub" / f"models--timm--{HUB_MODEL}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    (repository / "snapshots" / commit).mkdir(parents=True)
    save_file(state, repository / "snapshots" / commit / "model.safetensors")
    return folder / "hub"


def test_a_hub_model_is_loaded_from_the_local_cache(tmp_path, monkeypatch):
    torch.manual_seed(1)
    state = timm.create_model(HUB_MODEL.partition(".")[0]).state_dict()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(hub_cache(tmp_path, state)))
    architecture = HUB_MODEL.partition(".")[0]
    model = architectures.build(architecture, {}, num_classes=1000, pooling=timm.create_model(architecture).global_pool)
    checkpoints.load(model, f"hub:{HUB_MODEL}")
    assert same(model, state)


def test_a_hub_model_that_is_not_cached_is_refused_with_the_command_that_fetches_it(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=f"not in the local .*hf download timm/{HUB_MODEL} model.safetensors"):
        checkpoints.load(tiny(), f"hub:{HUB_MODEL}")


def test_a_hub_model_that_timm_does_not_know_is_refused():
    for identifier in ("vit_nonsense.x", "vit_base_patch16_224.mea"):
        with pytest.raises(InputError, match=f"hub:{identifier}: timm knows no such pretrained model") as e:
            checkpoints.load(tiny(), f"hub:{identifier}")
    assert "vit_base_patch16_224.mae" in str(e.value)


NO_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    torch.AcceleratorError("CUDA error: out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"),
    RuntimeError("GET was unable to find an engine to execute this computation"),
]
ILLEGAL = torch.AcceleratorError("CUDA error: an illegal memory access was encountered")


@pytest.mark.parametrize("error", NO_MEMORY)
def test_a_model_that_does_not_fit_the_gpu_is_an_error_with_a_remedy(error, monkeypatch):
    def full(*_):
        raise error

    model = tiny()
    assert devices.is_memory(error)
    assert devices.to_device(model, "cpu", "bfloat16").cls_token.dtype == torch.bfloat16
    monkeypatch.setattr(model, "to", full)
    remedies = r".* precision: bfloat16 or device: cpu; .*--resources gpu=1"
    with pytest.raises(InputError, match=rf"does not fit the GPU's memory; {remedies}"):
        devices.to_device(model, "cpu", "float32")


def test_other_errors_on_the_way_to_the_gpu_are_not_taken_for_a_lack_of_memory(monkeypatch):
    def broken(*_):
        raise ILLEGAL

    model = tiny()
    assert not devices.is_memory(ILLEGAL)
    monkeypatch.setattr(model, "to", broken)
    with pytest.raises(torch.AcceleratorError, match="illegal memory access"):
        devices.to_device(model, "cpu", "float32")


@pytest.mark.parametrize(("precision", "rounded"), [("float32", False), ("bfloat16", True)])
def test_float32_is_not_rounded_to_tf32(precision, rounded, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    devices.to_device(tiny(), "cpu", precision)
    assert torch.backends.cudnn.allow_tf32 == rounded


@pytest.mark.parametrize(
    ("cuda", "built"),
    [("13.2", r"built for CUDA 13\.2, for which the driver may be too old"), (None, "built without CUDA")],
)
def test_cuda_without_a_gpu_is_refused_and_auto_takes_the_cpu(cuda, built, monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    with caplog.at_level(logging.WARNING):
        assert devices.device_of("cpu") == torch.device("cpu")
        assert not caplog.records
        assert devices.device_of("auto") == torch.device("cpu")
    assert re.search(rf"running on the CPU \(this torch is {built}\)", caplog.text)
    with pytest.raises(InputError, match=rf"device: cuda, but torch sees no GPU; .* \(this torch is {built}\)"):
        devices.device_of("cuda")


def gpu(monkeypatch, capability, built, cuda="13.2"):
    """Torch as it is with a GPU of a capability."""
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla V100")
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: built)


@pytest.mark.parametrize(
    ("built", "cuda"), [(["sm_70", "sm_75"], "12.6"), ([], "13.2"), (["gfx90a", "gfx942"], None)]
)  # the last is ROCm
def test_auto_takes_a_gpu_where_there_is_one(built, cuda, monkeypatch):
    gpu(monkeypatch, (7, 0), built, cuda)
    assert devices.device_of("auto") == devices.device_of("cuda") == torch.device("cuda")
    assert devices.device_of("cpu") == torch.device("cpu")


@pytest.mark.parametrize("wanted", ["auto", "cuda"])
def test_a_gpu_that_torch_is_not_built_for_is_refused_by_name(wanted, monkeypatch):
    gpu(monkeypatch, (7, 0), ["sm_75", "sm_80"])
    match = r"GPU Tesla V100 has compute capability 7\.0, but this torch is built for sm_75, sm_80; .*device: cpu"
    with pytest.raises(InputError, match=match):
        devices.device_of(wanted)
    assert devices.device_of("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    ("capability", "built", "runs"),
    [
        ((7, 0), ["sm_75", "sm_80"], False),
        ((8, 9), ["sm_75", "sm_80"], True),  # the same major, a higher minor
        ((8, 0), ["sm_86"], False),
        ((9, 0), ["sm_75", "sm_80"], False),
        ((9, 0), ["sm_75", "compute_80"], True),  # PTX is compiled for what is newer
        ((7, 5), ["compute_80"], False),
        ((12, 0), ["sm_90", "sm_120"], True),
        ((12, 0), ["sm_12"], False),  # 1.2
        ((10, 0), ["sm_100a"], True),
        ((10, 3), ["sm_100a"], False),
        ((10, 3), ["sm_100f"], True),
        ((12, 0), ["compute_100f"], False),
        ((12, 0), ["compute_90a"], False),
        ((8, 0), ["gfx90a"], False),
        ((8, 0), [], False),
    ],
)
def test_binaries_run_on_their_major_capability_and_ptx_on_all_that_follow(capability, built, runs):
    assert devices.runs_on(capability, built) is runs


def test_a_head_that_nobody_asked_for_is_thought_of_first(tmp_path):
    path = saved(tiny(num_classes=5, global_pool="avg").state_dict(), tmp_path / "finetuned.safetensors")
    refused(tiny(), path, r"has no norm\.weight; it has a head: set num_classes: 5, or it is of another architecture")


def test_an_ordered_state_dict_with_metadata_loads(tmp_path):
    state = collections.OrderedDict(tiny(seed=1).state_dict())
    state._metadata = {"": {"version": 1}}
    torch.save({"model": state}, tmp_path / "ordered.pth")
    model = tiny()
    checkpoints.load(model, str(tmp_path / "ordered.pth"))
    assert same(model, state)


def test_random_weights_come_from_their_seed_alone():
    drawn = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        model = architectures.build("vit_tiny_patch16_224", TINY)
        drawn.append((checkpoints.load(model, "random:7"), model.state_dict()))
        assert torch.initial_seed() == noise
    (digest, first), (again, second) = drawn
    assert digest == again
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = architectures.build("vit_tiny_patch16_224", TINY)
    assert checkpoints.load(other, "random:8") != digest
    assert not torch.equal(other.state_dict()["patch_embed.proj.weight"], first["patch_embed.proj.weight"])
    assert not torch.equal(other.state_dict()["blocks.1.attn.qkv.weight"], first["blocks.1.attn.qkv.weight"])


# --- weights as people have them ------------------------------------------------------------------------------------

BESIDE = {
    "args": argparse.Namespace(output_dir=pathlib.PosixPath("/out"), device="cuda", when=datetime.datetime(2026, 1, 2)),
    "options": types.SimpleNamespace(path=pathlib.PureWindowsPath("C:/out"), betas=(0.9, 0.95)),
    "best_acc": np.float64(81.5),
    "epoch": np.int64(7),
    "curve": np.arange(3.0),
    "better": np.bool_(True),
}


@pytest.mark.parametrize("numpy", ["numpy._core", "numpy.core"])
@pytest.mark.parametrize("zipped", [True, False])
def test_harmless_objects_beside_the_weights_do_not_keep_them_from_loading(numpy, zipped, tmp_path):
    state = tiny(seed=1).state_dict()
    torch.save({"model": state, **BESIDE}, tmp_path / "new.pth", _use_new_zipfile_serialization=zipped)
    renamed(tmp_path / "new.pth", tmp_path / "w.pth", b"numpy._core", numpy.encode(), zipped)
    model = tiny()
    checkpoints.load(model, str(tmp_path / "w.pth"))
    assert same(model, state)


def renamed(old, new, name, other, zipped):
    """A checkpoint whose pickle says another name, as an older numpy writes it."""
    if not zipped:
        new.write_bytes(old.read_bytes().replace(name, other))
        return
    with zipfile.ZipFile(old) as source, zipfile.ZipFile(new, "w") as target:
        for item in source.namelist():
            content = source.read(item)
            target.writestr(item, content.replace(name, other) if item.endswith("data.pkl") else content)


def test_nothing_is_made_of_objects_beside_the_weights(tmp_path):
    torch.save({"model": tiny().state_dict(), **BESIDE}, tmp_path / "w.pth")
    found = unpickling.load(str(tmp_path / "w.pth"))
    assert {type(found[name]) for name in BESIDE} == {unpickling.Aside}


@pytest.mark.parametrize(
    "inside", [lambda evil: argparse.Namespace(a=evil), lambda evil: [pathlib.PosixPath("/a"), {"b": evil}]]
)
def test_a_payload_among_harmless_objects_is_refused_and_not_executed(inside, tmp_path):
    torch.save({"model": tiny().state_dict(), "args": inside(Payload(tmp_path / "owned"))}, tmp_path / "evil.pth")
    refused(tiny(), tmp_path / "evil.pth", r"refused, it would execute \S*mkdir")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"model": "vit_base", "state_dict": state},
        lambda state: {"model": {"state_dict": state}},
        lambda state: {"state_dict": {"model": state, "epoch": 3}},
        lambda state: {"model": None, "state_dict": state},
        lambda state: {
            "model": {},
            "state_dict": {"state_dict": {"module." + key: value for key, value in state.items()}},
        },
    ],
)
def test_the_state_dict_is_the_one_that_holds_tensors(wrap, tmp_path):
    state = tiny(seed=1).state_dict()
    torch.save(wrap(state), tmp_path / "w.pth")
    model = tiny()
    checkpoints.load(model, str(tmp_path / "w.pth"))
    assert same(model, state)


@pytest.mark.parametrize("content", [{"model": {"state_dict": {"a": 1}}}, {"model": "vit", "state_dict": None}])
def test_without_tensors_at_any_depth_the_keys_are_named(content, tmp_path):
    torch.save(content, tmp_path / "odd.pth")
    refused(tiny(), tmp_path / "odd.pth", "holds no state dict .*, but 'model'")


def probe(affine, classes=5, width=16):
    """The head that MAE's linear probing trains, with statistics and weights far from their beginning."""
    norm = torch.nn.BatchNorm1d(width, affine=affine, eps=1e-6)
    head = torch.nn.Sequential(norm, torch.nn.Linear(width, classes)).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        norm.running_mean.copy_(torch.randn(width, generator=generator))
        norm.running_var.copy_(torch.rand(width, generator=generator) + 0.1)
        for value in head.parameters():
            value.copy_(torch.randn(value.shape, generator=generator))
    return head


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("pooling", ["token", "avg"])
@pytest.mark.parametrize("before", ["", "module."])
def test_a_linear_probe_with_its_batch_norm_is_folded_into_one_layer(affine, pooling, before, tmp_path):
    own, head = tiny(seed=1, num_classes=5, global_pool=pooling), probe(affine)
    state = {name: value for name, value in own.state_dict().items() if not name.startswith("head.")}
    state |= {f"head.{name}": value for name, value in head.state_dict().items()}
    assert "head.0.num_batches_tracked" in state
    torch.save({"model": {before + name: value for name, value in state.items()}}, tmp_path / "probe.pth")
    model = tiny(num_classes=5, global_pool=pooling)
    checkpoints.load(model, str(tmp_path / "probe.pth"))
    images = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(4))
    with torch.inference_mode():
        own.head = torch.nn.Identity()
        expected = head.double()(own(images).double())
        assert (model(images) - expected).abs().max() < 1e-5 * expected.abs().max()


def test_a_linear_probe_leaves_an_encoder_without_a_head_as_it_is_and_is_named(tmp_path, caplog):
    state = tiny(seed=1).state_dict()
    both = state | {f"head.{name}": value for name, value in probe(False).state_dict().items()}
    torch.save({"model": both}, tmp_path / "probe.pth")
    model = tiny()
    with caplog.at_level(logging.WARNING):
        checkpoints.load(model, str(tmp_path / "probe.pth"))
    assert same(model, state)
    assert "probe.pth: its head, a linear probe, is left aside; to use it set num_classes: 5" in caplog.text
    refused(tiny(num_classes=4), tmp_path / "probe.pth", r"head\.weight has shape \(5, 16\), num_classes: 4 asks for")


REGISTERS = {"reg_tokens": 3, "no_embed_class": True}


def test_registers_of_dinov2_come_under_timms_name_and_with_its_positions(tmp_path):
    own = tiny(seed=1, **REGISTERS)
    torch.manual_seed(5)
    state = {name: torch.randn_like(value) for name, value in own.state_dict().items() if name != "reg_token"}
    state |= {
        "pos_embed": torch.randn(1, 5, 16),
        "register_tokens": torch.randn(1, 3, 16),
        "mask_token": torch.ones(1, 16),
    }
    torch.save(state, tmp_path / "dinov2.pth")
    model = tiny(**REGISTERS)
    checkpoints.load(model, str(tmp_path / "dinov2.pth"))
    images = torch.randn(2, 3, 8, 8)
    with torch.inference_mode():
        # as prepare_tokens_with_masks of DINOv2: CLS and patches with their positions, then registers between them
        patches = torch.nn.functional.conv2d(
            images, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], stride=4
        )
        x = (
            torch.cat([state["cls_token"].expand(2, -1, -1), patches.flatten(2).transpose(1, 2)], 1)
            + state["pos_embed"]
        )
        expected = torch.cat([x[:, :1], state["register_tokens"].expand(2, -1, -1), x[:, 1:]], 1)
        assert (model._pos_embed(model.patch_embed(images)) - expected).abs().max() < 1e-6
    others = ("cls_token", "pos_embed", "register_tokens", "mask_token")
    assert same(model, {name: value for name, value in state.items() if name not in others})


def test_registers_where_the_model_has_none_are_named(tmp_path):
    state = tiny(no_embed_class=True).state_dict()
    state |= {"pos_embed": torch.zeros(1, 5, 16), "register_tokens": torch.zeros(1, 3, 16)}
    path = saved(state, tmp_path / "dinov2.safetensors")
    refused(tiny(no_embed_class=True), path, "has reg_token and 0 more that the architecture does not")


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("ls1.gamma", "ls1.weight"),
        ("ls2.gamma", "ls2.scale"),
        ("norm1.weight", "ln1.weight"),
        ("attn.proj.bias", "attn.out.bias"),
    ],
)
def test_a_name_that_is_another_in_the_file_is_said_with_the_nearest(name, other, tmp_path):
    state = tiny(init_values=0.1).state_dict()
    state = {key.replace(name, other): value for key, value in state.items()}
    path = saved(state, tmp_path / "w.safetensors")
    name, other = re.escape(f"blocks.0.{name}"), re.escape(f"blocks.0.{other}")
    refused(
        tiny(init_values=0.1), path, rf"has no {name}, but {other}; it is of another layout or architecture; rename"
    )


def test_a_file_without_positions_is_said_to_have_none(tmp_path):
    state = tiny().state_dict()
    del state["pos_embed"]
    path = saved(state, tmp_path / "w.safetensors")
    refused(tiny(), path, "has no pos_embed; the positions of patches are not in it")


@pytest.mark.parametrize("changes", [{}, REGISTERS])
def test_positions_of_another_grid_name_the_size_to_set(changes, tmp_path):
    state = tiny(img_size=24, **changes).state_dict()
    path = saved(state, tmp_path / "w.safetensors")
    match = r"images are of 24 px; set arguments\.img_size and preprocessing\.crop: 24, or .* resample_positions: true$"
    refused(tiny(**changes), path, match)
    model = tiny(img_size=24, **changes)
    checkpoints.load(model, path)
    assert same(model, state)


def test_patches_of_another_size_name_it(tmp_path):
    path = saved(tiny(patch_size=2).state_dict(), tmp_path / "w.safetensors")
    refused(tiny(), path, r"pos_embed has shape .*: its patches are of 2 px; set arguments\.patch_size: 2$")


def test_biases_of_another_grid_name_the_size_to_set(tmp_path):
    def beit(size):
        arguments = {"img_size": size, "patch_size": 4, "embed_dim": 16, "depth": 1, "num_heads": 2}
        return architectures.build("beit_base_patch16_224", arguments)

    path = saved(beit(16).state_dict(), tmp_path / "beit.safetensors")
    match = r"relative_position_bias_table has shape .*: its images are of 16 px; set arguments\.img_size"
    refused(beit(8), path, match)


def test_the_weights_to_begin_with_must_have_the_configured_digest(tmp_path):
    path = saved(tiny(seed=1).state_dict(), tmp_path / "mae.safetensors")
    model = tiny(num_classes=5, global_pool="avg")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(InputError, match=rf"mae\.safetensors: its SHA-256 is \w+, but .*{'0' * 64}"):
        checkpoints.load_encoder(model, path, "0" * 64)
    assert same(model, before)
    checkpoints.load_encoder(model, path, hashlib.sha256((tmp_path / "mae.safetensors").read_bytes()).hexdigest())
    assert not same(model, before)


def plain_weights():
    model = tiny()
    return model, {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda value: (127 * value).to(torch.int8), "int8"),
        (lambda value: value.to(torch.complex64), "complex64"),
        (lambda value: value.to(torch.float8_e4m3fn), "float8_e4m3fn"),
        (lambda value: value.to_sparse(), "sparse_coo"),
        (lambda value: value.to("meta"), "strided without values"),
    ],
)
def test_weights_that_are_no_plain_numbers_are_named(change, kind, tmp_path):
    model, state = plain_weights()
    path = str(tmp_path / "w.pth")
    torch.save(state | {"pos_embed": change(state["pos_embed"])}, path)
    with pytest.raises(InputError, match=rf"w\.pth: pos_embed is stored as {kind}, which"):
        checkpoints.load(model, path)


def test_weights_under_the_name_of_the_other_kind_are_read_or_named(tmp_path):
    model, state = plain_weights()
    for name in ("w.pth", "w.SAFETENSORS"):
        save_file(state, tmp_path / name)
        checkpoints.load(model, str(tmp_path / name))
    torch.save(state, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=r"w\.safetensors \(\d+ bytes\): is a \.pth by what is in it; rename it so"):
        checkpoints.load(model, str(tmp_path / "w.safetensors"))


def test_checkpoints_that_are_none_say_what_they_are(tmp_path):
    _, state = plain_weights()
    path, itself = tmp_path / "w.pth", {}
    itself["model"] = itself
    for content, said in [(itself, "holds no state dict"), (state | {"epoch": 3}, "'epoch' among its tensors is none")]:
        torch.save(content, path)
        with pytest.raises(InputError, match=said):
            checkpoints.read_weights(str(path))
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(InputError, match="no whole checkpoint but Git LFS's pointer to it; `git lfs pull`"):
        checkpoints.read_weights(str(path))
