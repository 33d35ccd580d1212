"""A masked autoencoder (He et al. 2022) around any timm ViT, with the state dict of the official code."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from timm.layers import build_sincos2d_pos_embed
from timm.models import VisionTransformer
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from maescope.models.rotary import begin


class MaskedAutoencoder(nn.Module):
    """Encoder on the visible patches, light decoder on all of them; positions are fixed sine-cosine codes.

    Parameters
    ----------
    encoder : a timm ViT with a CLS token and without a head; its weights are drawn anew as in MAE
    decoder_width, decoder_depth, decoder_heads : of the decoder
    """

    def __init__(self, encoder: VisionTransformer, decoder_width: int, decoder_depth: int, decoder_heads: int):
        super().__init__()
        width, patch = encoder.embed_dim, encoder.patch_embed.patch_size
        self.encoder = encoder
        self.decoder_embed = nn.Linear(width, decoder_width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, decoder_width))
        self.decoder_pos_embed = nn.Parameter(self._positions(decoder_width), requires_grad=False)
        norm = partial(nn.LayerNorm, eps=1e-6)
        self.decoder_blocks = nn.ModuleList(
            Block(decoder_width, decoder_heads, qkv_bias=True, norm_layer=norm) for _ in range(decoder_depth)
        )
        self.decoder_norm = norm(decoder_width)
        self.decoder_pred = nn.Linear(decoder_width, patch[0] * patch[1] * 3)
        self.apply(_initialise)
        nn.init.xavier_uniform_(encoder.patch_embed.proj.weight.view(width, -1))
        nn.init.normal_(encoder.cls_token, std=0.02)
        nn.init.normal_(self.mask_token, std=0.02)
        encoder.pos_embed = nn.Parameter(self._positions(width), requires_grad=False)

    def _positions(self, width: int) -> Tensor:
        """Fixed codes of CLS (zero) and the patches: (1, 1 + N, width)."""
        grid = self.encoder.patch_embed.grid_size
        codes = build_sincos2d_pos_embed(list(grid), width, interleave_sin_cos=False)  # (N, width)
        return torch.cat([torch.zeros(1, width), codes])[None]

    def forward(self, images: Tensor, visible: Tensor) -> Tensor:
        """Reconstruct all patches from the visible ones.

        Parameters
        ----------
        images : (B, 3, height, width), normalised
        visible : (B, N_v) integer patch ids

        Returns
        -------
        (B, N, patch * patch * 3), pixels in the order of `patchify`
        """
        encoder = self.encoder
        x = self.decoder_embed(encoder.norm(encoder.blocks(begin(encoder, images, visible)[0])))  # (B, 1 + N_v, width)
        patches = encoder.patch_embed.num_patches
        full = self.mask_token.expand(len(x), patches, -1).to(x.dtype)
        full = full.scatter(1, visible[..., None].expand(-1, -1, x.shape[-1]), x[:, 1:])  # (B, N, width)
        x = torch.cat([x[:, :1], full], dim=1) + self.decoder_pos_embed
        for block in self.decoder_blocks:
            x = block(x)
        return self.decoder_pred(self.decoder_norm(x))[:, 1:]

    def loss(self, images: Tensor, visible: Tensor, normalised: bool = False) -> Tensor:
        """Mean squared error on the masked patches (He et al., section 3)."""
        return self.error(self(images, visible), images, visible, normalised)

    def error(self, predicted: Tensor, images: Tensor, visible: Tensor, normalised: bool = False) -> Tensor:
        """Mean squared error of predictions (B, N, patch * patch * 3) on the masked patches.

        Parameters
        ----------
        normalised : whether they are of patches normalised each by its own mean and variance
        """
        target = patchify(images, self.encoder.patch_embed.patch_size)
        if normalised:
            mean, deviation = moments(target)
            target = (target - mean) / deviation
        error = (predicted - target).square().mean(-1)
        hidden = torch.ones_like(error).scatter(1, visible, 0.0)  # (B, N)
        return (error * hidden).sum() / hidden.sum()

    def official_state_dict(self) -> dict[str, Tensor]:
        """The weights under the names of the official checkpoints: no prefix for the encoder, `decoder_*` beside it."""
        return {name.removeprefix("encoder."): value for name, value in self.state_dict().items()}

    def load_official_state_dict(self, state: dict[str, Tensor]) -> None:
        """Load what `official_state_dict` gave, strictly."""
        own = ("decoder_", "mask_token")
        self.load_state_dict({key if key.startswith(own) else f"encoder.{key}": value for key, value in state.items()})


def patchify(images: Tensor, patch: tuple[int, int]) -> Tensor:
    """(B, 3, height, width) -> (B, N, patch * patch * 3), as the official code orders them."""
    rows, columns = images.shape[2] // patch[0], images.shape[3] // patch[1]
    x = images.reshape(len(images), 3, rows, patch[0], columns, patch[1])
    return x.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)  # (B, rows, columns, p, q, 3) -> (B, N, p * q * 3)


def moments(patches: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the pixels of each patch (B, N, 1), as the official `norm_pix_loss` has them.

    The variance is the unbiased one; 1e-6 is added inside the root.
    """
    variance, mean = torch.var_mean(patches, dim=-1, keepdim=True)
    return mean, (variance + 1e-6).sqrt()


def unpatchify(patches: Tensor, grid: tuple[int, int], patch: tuple[int, int]) -> Tensor:
    """The inverse of `patchify`."""
    x = patches.reshape(len(patches), *grid, *patch, 3)
    return x.permute(0, 5, 1, 3, 2, 4).reshape(len(patches), 3, grid[0] * patch[0], grid[1] * patch[1])


def _initialise(module: nn.Module) -> None:
    """Xavier-uniform linear layers, as the official code and unlike timm."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


@torch.inference_mode()
def reconstruct(
    model: MaskedAutoencoder,
    images: Tensor,
    visible: Tensor,
    mean: Sequence[float],
    std: Sequence[float],
    normalised: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Original, masked (NaN where hidden) and reconstructed pictures; visible patches are shown as they were.

    Parameters
    ----------
    images : (B, 3, height, width), normalised with `mean` and `std`
    visible : (B, N_v) integer patch ids
    normalised : whether it predicts normalised patches: they are given mean and deviation of the hidden ones

    Returns
    -------
    three arrays (B, height, width, 3), in [0, 1] but for what the model overshoots
    """
    embedding = model.encoder.patch_embed
    patches = patchify(images, embedding.patch_size)  # (B, N, p * p * 3)
    hidden = torch.ones(patches.shape[:2], dtype=torch.bool).scatter(1, visible, False)[..., None]  # (B, N, 1)
    masked = patches.masked_fill(hidden, float("nan"))
    predicted = model(images, visible)
    if normalised:
        own, deviation = moments(patches)
        predicted = predicted * deviation + own
    rebuilt = torch.where(hidden, predicted, patches)

    def picture(x: Tensor) -> np.ndarray:
        x = unpatchify(x, embedding.grid_size, embedding.patch_size).permute(0, 2, 3, 1)  # (B, height, width, 3)
        return (x * torch.tensor(std) + torch.tensor(mean)).numpy()

    return picture(patches), picture(masked), picture(rebuilt)
