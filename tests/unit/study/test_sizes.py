"""What names of timm tell of its models, held against what timm builds of them."""

import pytest
import timm
from timm.models import eva, vision_transformer

from maescope.study import sizes

NAMES = [name for part in ("vision_transformer", "eva") for name in timm.list_models(module=part)]


class Asked(Exception):
    """What timm would have built: the class and its arguments."""


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("test_")])
def test_the_name_tells_sizes_the_tokens_beside_patches_and_the_class(name, monkeypatch):
    def build(cls, *_, **arguments):
        raise Asked(cls, arguments)

    for module in (eva, vision_transformer):
        monkeypatch.setattr(module, "build_model_with_cfg", build)
    with pytest.raises(Asked) as asked:
        timm.create_model(name)
    cls, arguments = asked.value.args
    model = {"architecture": name, "arguments": {}}
    assert sizes.has_cls(model) == arguments.get("class_token", True)
    assert sizes.registers_of(model) == (arguments.get("reg_tokens") or arguments.get("num_reg_tokens") or 0)
    assert sizes.is_eva(model) == (cls is eva.Eva)
    own = {"patch_size": 16, "embed_dim": 768, "depth": 12, "num_heads": 12} | arguments
    told = sizes.sizes_of(model) | {"num_heads": sizes.heads_of(model)}
    assert all(told[key] in (None, own[key]) for key in ("patch_size", "embed_dim", "depth", "num_heads"))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"architecture": "vit_base_patch16_224", "arguments": {}}, "CLS"),
        ({"architecture": "vit_base_patch16_224", "arguments": {"reg_tokens": 7}}, "CLS and 7 registers"),
        ({"architecture": "vit_base_patch16_224", "arguments": {"class_token": False}}, "none"),
        ({"architecture": "vit_medium_patch16_rope_reg1_gap_256", "arguments": {}}, "1 register"),
        ({"architecture": "vit_small_patch16_dinov3", "arguments": {"num_reg_tokens": 0}}, "CLS"),
    ],
)
def test_tokens_beside_patches_in_words(model, words):
    assert sizes.prefix_of(model) == words
