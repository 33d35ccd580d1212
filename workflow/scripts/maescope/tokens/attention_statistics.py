"""What attention says, reduced at once: distances, entropies, rollout; of attention itself the row of CLS is kept."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from timm.layers import AttentionPoolLatent
from torch import Tensor


def probabilities(query: Tensor, key: Tensor, space: Tensor, bias: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Softmax attention and its logarithm, in the precision of `space` (at least float32).

    Parameters
    ----------
    query, key : (B, H, T, d)
    space : (2, at least B, at least H, T, T), where the results are put. Fresh memory for every layer would cost a CPU
        more than the arithmetic: blocks of this size go back to the system, which maps and clears them page by page.
    bias : (H, T, T), added to the logits

    Returns
    -------
    attention, logarithm : (B, H, T, T), rows (queries) of `attention` sum to 1
    """
    attention, logarithm = space[:, : query.shape[0], : query.shape[1]]
    scaled = query.to(space.dtype) / math.sqrt(query.shape[-1])
    halved = math.frexp(math.sqrt(query.shape[-1]))[0] == 0.5  # a division by a power of two, which is exact
    with _products_of_bfloat16(halved and query.dtype == torch.bfloat16):
        torch.matmul(scaled, key.to(space.dtype).transpose(-2, -1), out=attention)
    if bias is not None:
        attention += bias
    torch.log_softmax(attention, -1, out=logarithm)
    return torch.exp(logarithm, out=attention), logarithm


@contextmanager
def _products_of_bfloat16(possible: bool) -> Iterator[None]:
    """Let products of bfloat16 values take bfloat16 units: inputs lose nothing there, and sums are in float32."""
    before = torch.get_float32_matmul_precision()
    if possible:
        torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def patch_distances(grid: tuple[int, int], patch_size: tuple[int, int]) -> Tensor:
    """Euclidean distance between the centres of all patches of a grid, in pixels of the model's input.

    Returns
    -------
    (N, N) float64, zero on the diagonal, for a grid of N = rows x columns patches in row-major order
    """
    rows, columns = (torch.arange(n, dtype=torch.float64) * size for n, size in zip(grid, patch_size, strict=True))
    centres = torch.cartesian_prod(rows, columns)  # (N, 2)
    return torch.cdist(centres, centres)


class Summary(NamedTuple):
    """What the attention of each head says, without the `prefix` tokens (CLS), rows renormalised.

    distance : (B, H) in pixels, expectation over keys, mean over queries (the paper's Fig. 3)
    entropy : (B, H) in nats, mean over queries, at most log(N)
    key_entropy : (B, H) in nats, of the keys that all queries together look at, each query counting the same; at least
        `entropy`, from which it differs by the mutual information of queries and keys (see `information`)
    """

    distance: Tensor
    entropy: Tensor
    key_entropy: Tensor


def summary(
    attention: Tensor, logarithm: Tensor, distances: Tensor, prefix: int = 1, *, with_cls: bool = False
) -> Summary:
    """Reduce attention to one number per image and head.

    Where next to nothing of a row falls on patches, less than has its digits in this precision, the row among patches
    is taken from the logarithms alone, which hold it however small it is.

    Parameters
    ----------
    attention : (B, H, T, T), overwritten
    logarithm : (B, H, T, T) of it, overwritten
    distances : (N, N) in pixels, T = N + prefix
    with_cls : leave the rows of the distance as they are, so that what CLS takes of a row counts as distance 0
    """
    patches, logs = (x[..., prefix:, prefix:] for x in (attention, logarithm))  # (B, H, N, N) each
    mass = patches.sum(-1)  # (B, H, N)
    distance = torch.einsum("bhij,ij->bhi", patches, distances.to(patches))  # (B, H, N)
    faint = mass < torch.finfo(mass.dtype).tiny / torch.finfo(mass.dtype).eps
    if faint.any():
        logs[faint] = logs[faint].log_softmax(-1)  # (rows, N)
        patches[faint], mass[faint] = logs[faint].exp(), 1
        if not with_cls:  # rows that stay as they are add up to nothing
            distance = torch.einsum("bhij,ij->bhi", patches, distances.to(patches))
    if not with_cls:
        distance = distance / mass
    # with q = p / mass: - sum q log q = log(mass) - sum p log(p) / mass
    entropy = (mass.log() - torch.mul(patches, logs, out=logs).sum(-1) / mass).mean(-1)
    keys = torch.einsum("bhi,bhij->bhj", 1 / (mass * mass.shape[-1]), patches)  # (B, H, N), how often each is looked at
    return Summary(distance.mean(-1), entropy, torch.special.entr(keys).sum(-1))


def rollout_step(attention: Tensor, rollout: Tensor | None) -> Tensor:
    """One layer of attention rollout (Abnar and Zuidema 2020): R_l = A_hat_l R_(l-1), A_hat = 0.5 A + 0.5 I.

    Parameters
    ----------
    attention : (B, T, T), mean over heads
    rollout : (B, T, T) of the layer before, None at the first

    Returns
    -------
    (B, T, T), rows sum to 1
    """
    mixed = 0.5 * attention
    mixed.diagonal(dim1=-2, dim2=-1).add_(0.5)
    mixed = mixed / mixed.sum(-1, keepdim=True)
    return mixed if rollout is None else mixed @ rollout


def patch_scores(rollout: Tensor, pooling: str, prefix: int = 1, read: Tensor | None = None) -> Tensor:
    """How much each patch feeds what the head reads (docs/quantities.md).

    A head that pools patch tokens (`pooling` "avg") reads the patch rows of the last layer; one that reads CLS
    (`pooling` "token") its row; one that pools by attention (`pooling` "map") all rows, each by its share. Columns are
    patches.

    Parameters
    ----------
    rollout : (B, T, T)
    read : (B, T), what `pooled_shares` says of a head that pools by attention

    Returns
    -------
    (B, N)
    """
    columns = rollout[..., prefix:]  # (B, T, N)
    if read is not None:
        return (read.to(columns)[:, None] @ columns)[:, 0]
    return columns[:, 0] if pooling == "token" else columns[:, prefix:].mean(1)


def pooled_shares(pool: AttentionPoolLatent, tokens: Tensor) -> Tensor:
    """How much a head that pools by attention takes of each token, mean over its heads and queries: rows sum to 1.

    Parameters
    ----------
    tokens : (B, T, D), as it reads them

    Returns
    -------
    (B, T), in at least float32
    """
    query, key = pool.q(pool.latent), pool.kv(tokens).chunk(2, -1)[0]
    query, key = (part.unflatten(-1, (pool.num_heads, -1)).transpose(1, 2) for part in (query, key))  # (B, H, T, d)
    query, key = (
        part.to(torch.promote_types(part.dtype, torch.float32)) for part in (pool.q_norm(query), pool.k_norm(key))
    )
    return (query @ key.transpose(-2, -1) * pool.scale).softmax(-1).mean((1, 2))
