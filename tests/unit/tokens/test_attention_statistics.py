"""Attention reduced to distance, entropy and rollout: cases whose answer is known on paper."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
import torch
from sklearn.metrics import mutual_info_score

from maescope.measures.attention import normalised_mutual_information
from maescope.tokens import attention_statistics

GRID, PATCH = (14, 14), (16, 16)


def probabilities(query, key):
    """Attention and its logarithm (B, H, T, T), in memory of their own that held something else before."""
    (images, heads, tokens), dtype = query.shape[:3], torch.promote_types(query.dtype, torch.float32)
    return attention_statistics.probabilities(
        query, key, torch.full((2, images, heads, tokens, tokens), math.nan, dtype=dtype)
    )


def attention_from_logits(logits):
    """Attention and its logarithm (1, 1, T, T) where the scaled product of queries and keys is `logits` (T, T)."""
    tokens = len(logits)
    return probabilities(logits[None, None] * math.sqrt(tokens), torch.eye(tokens).to(logits)[None, None])


def reduced(patch_attention, distances):
    """Distance, entropy and mutual information of attention among patches (N, N), without a prefix token."""
    a = patch_attention[None, None].double()
    distance, *entropies = attention_statistics.summary(a, a.clamp(min=1e-300).log(), distances, prefix=0)
    nmi = normalised_mutual_information(*(x.numpy() for x in entropies), len(patch_attention))
    return distance.item(), entropies[0].item(), nmi.item()


@pytest.mark.parametrize("prefix", [1, 3])
def test_with_cls_as_a_key_uniform_attention_is_as_much_nearer_as_it_takes(prefix):
    distances = attention_statistics.patch_distances(GRID, PATCH)
    tokens = 196 + prefix
    for with_cls, share in ((True, 196 / tokens), (False, 1)):
        a = torch.full((1, 1, tokens, tokens), 1 / tokens, dtype=torch.float64)
        found, *_ = attention_statistics.summary(a, a.log(), distances, prefix, with_cls=with_cls)
        assert found.item() == pytest.approx(share * distances.mean().item(), rel=1e-12)


def test_patch_distances_are_those_of_the_grid_in_row_major_order():
    distances = attention_statistics.patch_distances((3, 5), (4, 2))
    cells = list(itertools.product(range(3), range(5)))
    for i, j in itertools.product(range(15), repeat=2):
        rows, columns = 4 * (cells[i][0] - cells[j][0]), 2 * (cells[i][1] - cells[j][1])
        assert distances[i, j].item() == pytest.approx(math.hypot(rows, columns), abs=1e-12)


def test_identity_attention_has_distance_zero_and_entropy_zero_and_tells_all_of_the_query():
    assert reduced(torch.eye(196), attention_statistics.patch_distances(GRID, PATCH)) == (
        0.0,
        0.0,
        pytest.approx(1, abs=1e-12),
    )


def test_uniform_attention_over_14_x_14_patches_of_16_px_reaches_116_4922_px():
    distance, entropy, nmi = reduced(torch.full((196, 196), 1 / 196), attention_statistics.patch_distances(GRID, PATCH))
    assert distance == pytest.approx(116.4922, abs=5e-5)
    assert entropy == pytest.approx(math.log(196), abs=1e-12)
    assert nmi == pytest.approx(0, abs=1e-12)


def test_attention_to_the_right_neighbour_is_one_patch_far():
    to_the_right = torch.eye(4).roll(1, dims=1)  # the last patch looks at the first, three patches away
    distance, *_ = reduced(to_the_right, attention_statistics.patch_distances((1, 4), (7, 7)))
    assert distance == pytest.approx((7 + 7 + 7 + 21) / 4)


def test_prefix_tokens_are_dropped_and_rows_renormalised():
    a = torch.tensor([[0.2, 0.4, 0.4], [0.8, 0.15, 0.05], [0.6, 0.1, 0.3]], dtype=torch.float64)[None, None]
    distance, entropy, key_entropy = attention_statistics.summary(
        a, a.log(), attention_statistics.patch_distances((1, 2), (10, 10))
    )
    assert distance.item() == pytest.approx((10 * 0.25 + 10 * 0.25) / 2)  # both rows become 0.75 and 0.25
    assert entropy.item() == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    # both queries look at the first patch with 0.25 and 0.75 of their weight: keys are alike, (0.5, 0.5)
    assert key_entropy.item() == pytest.approx(math.log(2))


def test_two_halves_that_look_at_themselves_share_one_bit():
    """Which half a query is in is all that its keys tell: log 2 nats of log 8, of queries and of keys."""
    halves = torch.block_diag(torch.full((4, 4), 1 / 4), torch.full((4, 4), 1 / 4))
    assert reduced(halves, torch.zeros(8, 8))[2] == pytest.approx(math.log(2) / math.log(8))


def test_mutual_information_is_that_of_scikit_learn_and_scipy():
    """Of counts: each of 31 queries looks a thousand times, at keys that it likes more or less."""
    generator = np.random.default_rng(4)
    for likes in generator.dirichlet(np.full(31, 0.2), size=(5, 31)):
        counts = np.stack([generator.multinomial(1000, row) for row in likes])
        information = mutual_info_score(None, None, contingency=counts)
        expected = information / math.sqrt(scipy.stats.entropy(counts.sum(0)) * scipy.stats.entropy(counts.sum(1)))
        assert expected > 0.1
        assert reduced(torch.from_numpy(counts / 1000), torch.zeros(31, 31))[2] == pytest.approx(expected, abs=1e-6)


def test_keys_that_are_the_same_for_all_queries_tell_nothing():
    one = torch.zeros(6, 6)
    one[:, 2] = 1  # its entropy is 0 as well: 0 / 0
    assert reduced(one, torch.zeros(6, 6))[2] == pytest.approx(0, abs=1e-6)
    assert normalised_mutual_information(np.zeros(1), np.zeros(1), 6) == 0


@pytest.mark.parametrize("scale", [1e3, 1e30])
def test_extreme_logits_give_one_hot_attention_with_entropy_zero(scale):
    a, logs = attention_from_logits(scale * torch.eye(9))
    distance, entropy, _ = attention_statistics.summary(
        a, logs, attention_statistics.patch_distances((3, 3), (4, 4)), prefix=0
    )
    assert distance.item() == 0
    assert entropy.item() == 0


@pytest.mark.parametrize("share", [-50, -87, -95, -110, -1000, -30000])
def test_rows_that_leave_patches_nothing_are_those_of_patches_alone(share):
    """CLS takes all but exp(share); among patches, at 0, 10 and 20 px, the logits are 0, 1 and 2."""
    logits = torch.tensor([[0.0, 1, 1, 1]] + [[-float(share), 0, 1, 2]] * 3)
    a, logs = attention_from_logits(logits)
    rest = a[0, 0, 1:, 1:].sum(-1)
    assert (rest[0] > 0) == (share > -100)  # in float32
    distances = attention_statistics.patch_distances((1, 3), (10, 10))
    found = attention_statistics.summary(a, logs, distances)
    weights = [math.exp(logit) for logit in (0, 1, 2)]
    shares = [weight / sum(weights) for weight in weights]
    far = [sum(p * 10 * abs(i - j) for j, p in enumerate(shares)) for i in range(3)]
    tolerance = 1e-5 * max(1, -share / 10)  # that of a logarithm of this size in float32
    assert found.distance.item() == pytest.approx(sum(far) / 3, rel=tolerance)
    entropy = -sum(p * math.log(p) for p in shares)
    assert found.entropy.item() == pytest.approx(entropy, rel=tolerance)
    assert found.key_entropy.item() == pytest.approx(entropy, rel=tolerance)  # all queries look alike


def test_a_row_that_leaves_patches_nothing_does_not_change_the_others():
    """Nor does it count in a distance that leaves the rows as they are."""
    logits = torch.tensor([[0.0, 0, 0], [0, 1, 2], [2000, 0, 3]])
    distances = attention_statistics.patch_distances((1, 2), (10, 10))
    far = [10 * math.e / (1 + math.e), 10 / (1 + math.exp(3))]  # of patch 1 to 2, and back
    found = attention_statistics.summary(*attention_from_logits(logits), distances)
    assert found.distance.item() == pytest.approx(sum(far) / 2, rel=1e-4)
    whole = attention_statistics.summary(*attention_from_logits(logits), distances, with_cls=True)
    assert whole.distance.item() == pytest.approx(10 * math.exp(2) / (1 + math.e + math.exp(2)) / 2, rel=1e-6)


def test_infinitely_unlikely_keys_do_not_make_the_entropy_nan():
    a, logs = attention_from_logits(torch.tensor([[0.0, -1e4], [0.0, 0.0]]))
    assert a[0, 0, 0].tolist() == [1, 0]
    _, entropy, _ = attention_statistics.summary(a, logs, torch.zeros(2, 2), prefix=0)
    assert entropy.item() == pytest.approx(math.log(2) / 2)


def test_equal_large_logits_stay_uniform():
    a, logs = attention_from_logits(torch.full((9, 9), 1e6))
    _, entropy, _ = attention_statistics.summary(
        a, logs, attention_statistics.patch_distances((3, 3), (4, 4)), prefix=0
    )
    assert entropy.item() == pytest.approx(math.log(9), abs=1e-6)


def test_probabilities_are_the_softmax_of_scaled_products():
    query, key = torch.randn(2, 2, 3, 5, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    a, logs = probabilities(query, key)
    assert torch.allclose(logs.exp(), a, rtol=1e-12)
    for b, h, i in itertools.product(range(2), range(3), range(5)):
        weights = [math.exp(sum(query[b, h, i] * key[b, h, j]).item() / 2) for j in range(5)]
        for j in range(5):
            assert a[b, h, i, j].item() == pytest.approx(weights[j] / sum(weights), rel=1e-12)


def test_probabilities_of_half_precision_are_computed_in_float32():
    query, key = torch.randn(2, 1, 2, 30, 8, generator=torch.Generator().manual_seed(2)).bfloat16()
    a, _ = probabilities(query, key)
    assert a.dtype == torch.float32
    assert torch.allclose(a.sum(-1), torch.ones(1, 2, 30), atol=1e-6)


def test_rows_of_every_mixed_attention_and_of_the_rollout_sum_to_one():
    generator, rollout = torch.Generator().manual_seed(3), None
    for _ in range(12):
        a = (5 * torch.randn(2, 3, 17, 17, generator=generator)).softmax(-1).mean(1)
        alone = attention_statistics.rollout_step(a, None)
        rollout = attention_statistics.rollout_step(a, rollout)
        assert torch.allclose(alone.sum(-1), torch.ones(2, 17), atol=1e-6)
        assert torch.allclose(rollout.sum(-1), torch.ones(2, 17), atol=1e-6)


def test_one_step_of_rollout_adds_the_residual_to_the_mean_over_heads():
    heads = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]]])[None]
    expected = torch.tensor([[[0.75, 0.25], [0.5, 0.5]]])
    assert torch.equal(attention_statistics.rollout_step(heads.mean(1), None), expected)


def test_rollout_multiplies_the_later_layer_from_the_left():
    first = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])[None]  # token 1 reads token 0
    second = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0]])[None]  # token 2 reads token 1
    rollout = attention_statistics.rollout_step(second, attention_statistics.rollout_step(first, None))[0]
    # Token 2 reads token 1 after that has read token 0; the other order would leave it blind to token 0.
    assert torch.equal(rollout, torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.25, 0.25, 0.5]]))


@pytest.mark.parametrize("pooling", ["avg", "token"])
def test_rollout_of_uniform_attention_gives_every_patch_the_same_score(pooling):
    uniform, rollout = torch.full((1, 50, 50), 1 / 50), None
    for _ in range(4):
        rollout = attention_statistics.rollout_step(uniform, rollout)
    scores = attention_statistics.patch_scores(rollout, pooling)
    assert scores.shape == (1, 49)
    assert torch.allclose(scores, scores[:, :1].expand(1, 49), atol=1e-8)


def test_scores_come_from_what_the_head_reads():
    rollout = torch.tensor([[[0.5, 0.4, 0.1], [0.2, 0.2, 0.6], [0.0, 0.6, 0.4]]])
    assert torch.allclose(attention_statistics.patch_scores(rollout, "token"), torch.tensor([[0.4, 0.1]]))
    assert torch.allclose(attention_statistics.patch_scores(rollout, "avg"), torch.tensor([[0.4, 0.5]]))
