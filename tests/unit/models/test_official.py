"""The official MAE checkpoints of all three sizes fit the architectures that config/README.md names for them."""

import official
import pytest
import torch
from safetensors.torch import save_file

from maescope.base.errors import InputError
from maescope.models import architectures, checkpoints

ARCHITECTURES = {"base": "vit_base_patch16_224", "large": "vit_large_patch16_224", "huge": "vit_huge_patch14_224"}


@pytest.mark.parametrize("size", official.SIZES)
@pytest.mark.parametrize(("classes", "pooling"), [(0, "token"), (1000, "avg")])
def test_every_name_and_shape_is_that_of_the_architecture(size, classes, pooling):
    with torch.device("meta"):  # names and shapes, without the 2.5 GB of the largest
        model = architectures.build(ARCHITECTURES[size], {}, classes, pooling)
    own = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert own == official.shapes(*official.SIZES[size], classes=classes)


def write(kind, tensors, folder):
    if kind == "safetensors":
        save_file(tensors, folder / "mae.safetensors")
        return folder / "mae.safetensors"
    return official.save(tensors, folder / "mae.pth", namespace=kind == "with options")


@pytest.mark.parametrize("kind", ["with options", "without options", "safetensors"])
@pytest.mark.parametrize("size", official.SIZES)
def test_a_checkpoint_with_its_decoder_loads_in_every_form(size, kind, tmp_path):
    width, _, patch = official.SIZES[size]
    tensors = official.state(official.shapes(width, 1, patch, image=4 * patch, decoder=32))
    model = architectures.build(ARCHITECTURES[size], {"depth": 1, "img_size": 4 * patch})
    checkpoints.load(model, str(write(kind, tensors, tmp_path)))
    loaded = model.state_dict()
    assert set(tensors) - set(loaded) == {name for name in tensors if name.startswith(("decoder_", "mask_token"))}
    assert all(torch.equal(value, tensors[name]) for name, value in loaded.items())


@pytest.mark.parametrize("kind", ["with options", "safetensors"])
def test_a_finetuned_checkpoint_loads_with_mean_pooling_and_with_no_other(kind, tmp_path):
    tensors = official.state(official.shapes(768, 1, 16, image=64, classes=7))
    path = str(write(kind, tensors, tmp_path))
    arguments = {"depth": 1, "img_size": 64}
    model = architectures.build("vit_base_patch16_224", arguments, num_classes=7, pooling="avg")
    checkpoints.load(model, path)
    assert all(torch.equal(value, tensors[name]) for name, value in model.state_dict().items())
    with pytest.raises(InputError, match="pooling should be another"):
        checkpoints.load(architectures.build("vit_base_patch16_224", arguments, num_classes=7, pooling="token"), path)
