"""What CLS looks at: maps whose share, spread and likeness are known, and pairs of images one by one."""

from itertools import combinations

import numpy as np
import pytest

from maescope.base.errors import InputError
from maescope.measures import class_attention


def one_head(table, label):
    return table[(table["label"] == label) & (table["head"] == 1)].iloc[0]


def test_maps_of_one_patch_and_of_all_patches():
    """Half of CLS's attention is on patches: of class a on one, of class b on all four alike."""
    a = np.tile([0.5, 0, 0, 0], (3, 1, 1))
    b = np.tile([0.125, 0.125, 0.125, 0.125], (2, 1, 1))
    table = class_attention.table({"a": a, "b": b})
    assert one_head(table, "a")[["to_patches", "spread"]].tolist() == pytest.approx([0.5, 1 / 4])
    assert one_head(table, "b")[["to_patches", "spread"]].tolist() == pytest.approx([0.5, 1])
    # (1, 0, 0, 0) and (1, 1, 1, 1) / 2 meet at a cosine of 1/2
    assert one_head(table, "a")[["same_class", "other_classes"]].tolist() == pytest.approx([1, 0.5])
    assert one_head(table, "b")[["same_class", "other_classes"]].tolist() == pytest.approx([1, 0.5])


def test_cosines_are_means_over_all_pairs_of_images():
    generator = np.random.default_rng(0)
    maps = {label: generator.random((n, 2, 9)) for label, n in {"a": 4, "b": 2, "c": 3}.items()}
    table = class_attention.table(maps)

    def cosine(x, y):
        return x @ y / np.sqrt(x @ x * (y @ y))

    for _, row in table.iterrows():
        own = [image[row["head"] - 1] for image in maps[row["label"]]]
        others = [image[row["head"] - 1] for label, part in maps.items() if label != row["label"] for image in part]
        assert row["same_class"] == pytest.approx(np.mean([cosine(x, y) for x, y in combinations(own, 2)]))
        assert row["other_classes"] == pytest.approx(np.mean([cosine(x, y) for x in own for y in others]))


def test_maps_that_know_no_class_have_no_contrast():
    generator = np.random.default_rng(1)
    maps = {label: generator.random((200, 1, 5)) for label in "ab"}
    table = class_attention.table(maps).assign(model="vit", layer=1, uniform=5 / 6)
    contrast = class_attention.over_labels(table)["contrast"]
    assert contrast.tolist() == pytest.approx([0], abs=0.01)


@pytest.mark.parametrize("images", [{"a": 3}, {"a": 3, "b": 1}])
def test_too_few_to_compare_are_refused(images):
    with pytest.raises(InputError, match="2 labels or more"):
        class_attention.table({label: np.ones((n, 1, 4)) for label, n in images.items()})


def test_a_map_of_nothing_spoils_no_other():
    """CLS that looks at itself alone, as far as float32 can tell."""
    nothing = np.zeros((1, 1, 4), np.float32)
    some = np.tile(np.float32([0.5, 0.5, 0, 0]), (2, 1, 1))
    table = class_attention.table({"a": np.concatenate([nothing, some]), "b": some})
    assert table.notna().all(axis=None)
    assert one_head(table, "b")["same_class"] == pytest.approx(1)
    assert one_head(table, "a")["to_patches"] == pytest.approx(2 / 3)
