"""What Figures 1-4 ask of a configuration: every refusal names its key and its numbers."""

from pathlib import Path

import pytest
import timm
import torch
import yaml
from conftest import SCHEMA

from maescope.base.errors import InputError
from maescope.study import settings, sizes

ROOT = Path(__file__).parents[3]


def embedded(**changes):
    """The embedded configuration with values at dotted paths changed."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    for path, value in changes.items():
        *parents, key = path.split(".")
        inner = config
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[key] = value
    return config


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("analysis.perplexity", 90, "analysis.perplexity: 90 must be below the number of points, 90 (3 labels of 30"),
        ("study.tsne", {"images": 51}, "study.tsne.images: 51 images of each label, but datasets.digits.count is 50"),
        ("study.tsne", {"labels": ["3"]}, "study.tsne.labels: 1 label, but classes are compared: give 2 or more"),
        ("study.tsne", {"labels": ["3", "x"]}, "study.tsne.labels: x not among the labels of datasets.digits"),
        ("analysis.subspace", {"k": 97}, "analysis.subspace.k: 97 dimensions, but mae_pretrained is 96 wide"),
        ("analysis.subspace", {"k": [5, 97]}, "analysis.subspace.k: 97 dimensions, but mae_pretrained is 96 wide"),
        ("datasets.digits.count", 4, "analysis.folds: 5 folds need as many images of each label, but datasets.digits"),
        ("datasets.digits.count", 1, "count: 1 image per label, but Figures 1-4 and study.compared need 2 or more"),
        ("datasets.digits.labels", ["0"], "labels: 1 label, but Figures 1-4 and study.compared compare 2 or more"),
        ("analysis.neighbours", 89, "analysis.neighbours: 89, but must be below the 89 other images that t-SNE shows"),
        ("study.mask", "blur", "study.mask: blur is of kind blur, but mae_pretrained is to see masked images"),
        ("study.mask", "gone", "study.mask: 'gone' is not among perturbations"),
        ("perturbations.mask.ratio", 0.99, "study.mask: a ratio of 0.99 leaves none of the 36 patches of mae_"),
        ("models.mae_pretrained.patch_tokens", [], "models.mae_pretrained.patch_tokens: Figures 2 and 4 need those"),
        ("perturbations.mask_variants.masks", 1, "mask_variants has 1 mask per image, but masks are compared: 2"),
        ("study.mask_variants.dataset", "gone", "study.mask_variants.dataset: 'gone' is not among datasets"),
        ("study.pretrained", None, "study.pretrained: needed by study.mask_variants, study.scenes and"),
        ("study.supervised", "gone", "study.supervised: 'gone' is not among models"),
        ("study.scenes", "gone", "study.scenes: 'gone' is not among datasets"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_its_numbers(key, value, said):
    with pytest.raises(InputError) as caught:
        settings.check(embedded(**{key: value}), SCHEMA)
    assert said in str(caught.value)


@pytest.mark.parametrize(("k", "dimensions"), [(10, 10), ([5, 10], 15), (0.9, 50)])
@pytest.mark.parametrize(("size", "layers"), [("base", 12), ("large", 24)])
def test_angles_of_ten_labels(k, dimensions, size, layers):
    model = {"architecture": f"vit_{size}_patch16_224", "arguments": {}, "preprocessing": {"crop": 224}}
    assert sizes.angles_of(model, 10, k) == 45 * layers * dimensions


def test_without_a_pretrained_model_there_are_no_maps_whose_perplexity_could_be_too_large():
    without = dict.fromkeys(("study.pretrained", "study.mask_variants", "study.scenes", "study.supervised"))
    without |= {"study.compared": ["supervised"], "conventions": {}}
    settings.check(embedded(**without, **{"analysis.perplexity": 90}), SCHEMA)
    with pytest.raises(InputError, match=r"study\.tsne\.images: 51"):  # which separation is measured of as well
        settings.check(embedded(**without, **{"study.tsne": {"images": 51}}), SCHEMA)


def test_k_above_the_rows_of_half_a_class():
    changes = {"analysis.subspace": {"k": 40}, "datasets.digits.count": 5, "study.tsne": {"images": 5}}
    with pytest.raises(InputError) as caught:
        settings.check(embedded(**changes, **{"analysis.perplexity": 5}), SCHEMA)
    assert "above the rank of half a class, at most 18 (2 images of 9 visible patches of mae_pretrained)" in str(
        caught.value
    )


@pytest.mark.parametrize("k", [0, 1.0, 1.5, -3, [], [0], [3, 3], "ten", True])
def test_a_k_that_is_none_is_refused(k):
    with pytest.raises(InputError, match=r"analysis\.subspace\.k"):
        settings.check(embedded(**{"analysis.subspace": {"k": k}}), SCHEMA)


@pytest.mark.parametrize("k", [1, 96, [2, 10], 0.9])
def test_a_k_that_fits_is_kept(k):
    assert settings.check(embedded(**{"analysis.subspace": {"k": k}}), SCHEMA)["analysis"]["subspace"]["k"] == k


@pytest.mark.parametrize(
    ("architecture", "arguments", "patches", "width"),
    [
        ("vit_base_patch16_224", {}, 196, 768),
        ("vit_large_patch14_clip_224", {}, 256, 1024),
        ("vit_base_patch16_224", {"patch_size": 8, "embed_dim": 96}, 784, 96),
        ("deit3_something", {}, None, None),
    ],
)
def test_sizes_are_read_from_arguments_or_the_name(architecture, arguments, patches, width):
    model = {"architecture": architecture, "arguments": arguments, "preprocessing": {"crop": 224}}
    assert (sizes.patches_of(model), sizes.width_of(model)) == (patches, width)


@pytest.mark.parametrize("size", sizes.WIDTHS)
def test_widths_and_heads_told_by_a_name_are_those_of_timm(size):
    name = next(name for name in timm.list_models("vit_*_patch*_224") if name.startswith(f"vit_{size}_patch"))
    with torch.device("meta"):
        built = timm.create_model(name)
    model = {"architecture": name, "arguments": {}}
    assert sizes.width_of(model) == built.embed_dim
    assert sizes.head_width_of(model) == built.blocks[0].attn.head_dim
    assert sizes.sizes_of(model)["depth"] == len(built.blocks)
