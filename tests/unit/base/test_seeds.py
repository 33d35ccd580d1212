"""Random numbers depend on what they are for."""

import itertools

import numpy as np

from maescope.base import seeds


def draw(*names):
    return seeds.generator(*names).random(4).tolist()


def test_the_same_seed_and_names_give_the_same_numbers():
    assert draw(0, "d", "a.png", 1) == draw(0, "d", "a.png", 1)


def test_a_number_is_of_seed_and_names_alone_whatever_process_it_is_in():
    """What `printf '0\\0d\\0a.png' | sha256sum` says first, its lowest byte first."""
    assert seeds.number(0, "d", "a.png") == int.from_bytes(bytes.fromhex("d21432cab1e18cdb478c661002d2b3ab"), "little")


def test_a_change_of_seed_or_of_any_name_changes_the_numbers():
    keys = [
        (0, "d", "a.png", 1),
        (1, "d", "a.png", 1),
        (0, "e", "a.png", 1),
        (0, "d", "b.png", 1),
        (0, "d", "a.png", 2),
    ]
    for one, other in itertools.combinations(keys, 2):
        assert draw(*one) != draw(*other)


def test_names_do_not_run_into_each_other():
    assert draw(0, "ab", "c") != draw(0, "a", "bc")
    assert draw(0, "a") != draw(0, "a", "")
    assert draw(1, "1") != draw(11)


def test_drawing_leaves_the_global_generator_alone():
    np.random.seed(3)
    expected = np.random.random()
    np.random.seed(3)
    draw(0, "d")
    assert np.random.random() == expected


def test_neighbouring_seeds_are_uncorrelated():
    columns = np.array([seeds.generator(seed, "d").random(200) for seed in range(50)])
    assert np.abs(np.corrcoef(columns) - np.eye(50)).max() < 0.35
