"""The masked autoencoder: patches, masks, the loss and the names of its weights."""

import numpy as np
import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

from maescope.models import checkpoints, mae

TINY = {"img_size": 12, "patch_size": 4, "embed_dim": 24, "depth": 2, "num_heads": 2}


def tiny(seed=0):
    torch.manual_seed(seed)
    return mae.MaskedAutoencoder(VisionTransformer(**TINY, num_classes=0).eval(), 16, 1, 2)


def test_patchify_lists_the_pixels_of_each_patch_row_by_row_with_colours_last():
    images = torch.arange(2 * 3 * 4 * 6, dtype=torch.float32).reshape(2, 3, 4, 6)
    patches = mae.patchify(images, (2, 3))
    assert patches.shape == (2, 4, 18)
    for b, n in np.ndindex(2, 4):
        top, left = 2 * (n // 2), 3 * (n % 2)
        expected = [images[b, c, top + r, left + s] for r in range(2) for s in range(3) for c in range(3)]
        assert patches[b, n].tolist() == expected


def test_unpatchify_is_the_inverse_of_patchify():
    images = torch.randn(2, 3, 6, 12, generator=torch.Generator().manual_seed(1))
    assert torch.equal(mae.unpatchify(mae.patchify(images, (2, 3)), (3, 4), (2, 3)), images)


def test_the_loss_is_the_mean_squared_error_of_the_masked_patches_alone(monkeypatch):
    model = tiny()
    images = torch.zeros(1, 3, 12, 12)
    guess = torch.zeros(1, 9, 48)
    guess[0, 0], guess[0, 4], guess[0, 8] = 100.0, 1.0, 3.0  # patch 0 is visible: how wrong it is must not matter
    monkeypatch.setattr(model, "forward", lambda *_: guess)
    visible = torch.tensor([[0, 1, 2, 3]])
    assert model.loss(images, visible).item() == pytest.approx((1 + 9) / 5)  # patches 4 to 8 are masked


def test_the_reconstruction_sees_nothing_of_the_masked_patches():
    model, visible = tiny().eval(), torch.tensor([[1, 5, 6], [0, 4, 8]])
    images = torch.randn(2, 3, 12, 12, generator=torch.Generator().manual_seed(2))
    patches = mae.patchify(images, (4, 4))
    hidden = torch.ones(2, 9, dtype=torch.bool).scatter(1, visible, False)
    other = torch.where(hidden[..., None], torch.full_like(patches, 7.0), patches)
    with torch.inference_mode():
        assert torch.equal(model(images, visible), model(mae.unpatchify(other, (3, 3), (4, 4)), visible))
        assert not torch.equal(model(images, visible), model(images + 1, visible))


def test_the_decoder_gets_visible_tokens_at_their_places_and_the_mask_token_elsewhere():
    model = tiny().eval()
    seen = []
    model.decoder_blocks[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    visible = torch.tensor([[2, 7]])
    images = torch.randn(1, 3, 12, 12, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        model(images, visible)
        encoder = model.encoder
        tokens = encoder.patch_embed(images) + encoder.pos_embed[:, 1:]
        x = torch.cat([encoder.cls_token + encoder.pos_embed[:, :1], tokens[:, [2, 7]]], 1)
        x = model.decoder_embed(encoder.norm(encoder.blocks(x)))
        expected = model.mask_token.expand(1, 10, 16).clone()
        expected[:, [0, 3, 8]] = x
        expected = expected + model.decoder_pos_embed
    assert torch.allclose(seen[0], expected, atol=1e-6)


def test_positions_are_fixed_sine_and_cosine_codes_of_row_and_column():
    model, frequencies = tiny(), 10000.0 ** -(np.arange(6) / 6)  # width 24: 6 of each of sin, cos and row, column
    codes = model.encoder.pos_embed[0].numpy()
    rows, columns = np.divmod(np.arange(9), 3)
    expected = [f(x * w) for x in (rows, columns) for f in (np.sin, np.cos) for w in frequencies]
    assert not model.encoder.pos_embed.requires_grad
    assert not codes[0].any()
    order, wanted = np.lexsort(np.round(codes[1:], 3)), np.lexsort(np.round(np.transpose(expected), 3))
    np.testing.assert_allclose(codes[1:, order], np.transpose(expected)[:, wanted], atol=1e-6)


def test_official_names_are_those_of_the_published_checkpoints():
    names = set(tiny().official_state_dict())
    assert {"cls_token", "pos_embed", "patch_embed.proj.weight", "blocks.1.attn.qkv.weight", "norm.bias"} <= names
    assert {"mask_token", "decoder_embed.weight", "decoder_pos_embed", "decoder_blocks.0.mlp.fc1.bias"} <= names
    assert {"decoder_norm.weight", "decoder_pred.bias"} <= names
    assert not any(name.startswith("encoder.") for name in names)


def test_official_weights_load_strictly_into_a_timm_encoder(tmp_path):
    trained, path = tiny(seed=1), str(tmp_path / "mae.safetensors")
    checkpoints.save(trained.official_state_dict(), path, {})
    encoder = VisionTransformer(**TINY, num_classes=0).eval()
    checkpoints.load(encoder, path)
    images = torch.randn(2, 3, 12, 12, generator=torch.Generator().manual_seed(4))
    with torch.inference_mode():
        assert torch.equal(encoder(images), trained.eval().encoder(images))


def test_official_weights_load_back_into_a_masked_autoencoder():
    trained, fresh = tiny(seed=1), tiny(seed=2)
    fresh.load_official_state_dict(trained.official_state_dict())
    for name, value in trained.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], value), name


def test_official_weights_that_lack_a_name_are_refused():
    state = tiny().official_state_dict()
    del state["decoder_pred.bias"]
    with pytest.raises(RuntimeError, match=r"decoder_pred\.bias"):
        tiny().load_official_state_dict(state)


def test_reconstruction_shows_visible_patches_as_they_were_and_hides_the_others():
    model, visible = tiny().eval(), torch.tensor([[0, 4]])
    pixels = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(5))
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.4, 0.3)
    images = (pixels - torch.tensor(mean).reshape(1, 3, 1, 1)) / torch.tensor(std).reshape(1, 3, 1, 1)
    original, masked, rebuilt = mae.reconstruct(model, images, visible, mean, std)
    seen = np.zeros((12, 12), dtype=bool)
    seen[:4, :4] = seen[4:8, 4:8] = True
    shown = pixels[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(original[0], shown, atol=1e-6)
    np.testing.assert_allclose(masked[0][seen], shown[seen], atol=1e-6)
    assert np.isnan(masked[0][~seen]).all()
    np.testing.assert_allclose(rebuilt[0][seen], shown[seen], atol=1e-6)
    assert np.isfinite(rebuilt).all()
    assert np.abs(rebuilt[0][~seen] - shown[~seen]).max() > 0.01
