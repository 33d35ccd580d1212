"""Points of a layer: which tokens, in which order, with which names."""

import logging
import os
import resource

import numpy as np
import pandas as pd
import pytest

from maescope.measures import embeddings
from maescope.tokens import store


def token_files(folder, labels=("a", "b"), layers=2, images=3, visible=2, dim=4, levels=("1",)):
    """A folder with token files of numbers that tell their place apart."""
    rng = np.random.default_rng(0)
    for label in labels:
        names = [f"{number}.png" for number in range(images)]
        with store.writing(folder / f"{label}.h5", names, [0] * images, levels, {"config_hash": "h"}) as writer:
            for level in levels:
                for start in range(0, images, 2):
                    size = min(2, images - start)
                    arrays = {
                        "cls": rng.standard_normal((layers, size, dim)),
                        "mean": rng.standard_normal((layers, size, dim)),
                        "patch": rng.standard_normal((layers, size, visible, dim)),
                        "visible": np.tile(np.arange(visible) * 3, (size, 1)),
                    }
                    writer.write(level, start, {k: v.astype("f4") if k != "visible" else v for k, v in arrays.items()})
    return folder


@pytest.mark.parametrize("token", ["cls", "mean"])
def test_values_are_those_of_collect_without_names(tmp_path, token):
    files = store.token_files(["b", "a"], token_files(tmp_path), "h")
    assert np.array_equal(embeddings.values(files, "1", token, 2), embeddings.collect(files, "1", token, 2).values)
    assert np.array_equal(embeddings.values(files, "1", token, 2)[:3], files["b"].read("1", token, 2))


def test_patch_tokens_keep_class_image_and_patch(tmp_path):
    files = store.token_files(["a", "b"], token_files(tmp_path), "h")
    found = embeddings.collect(files, "1", "patch", 2, images=2)
    assert np.array_equal(found.values[:4], files["a"].read("1", "patch", 2)[:2].reshape(4, 4))
    assert found.values.shape == (8, 4)
    assert found.labels.tolist() == ["a"] * 4 + ["b"] * 4
    assert found.images[:4].tolist() == ["a/0.png", "a/0.png", "a/1.png", "a/1.png"]
    assert found.names["patch"].tolist() == [0, 3] * 4
    assert len(set(found.images)) == 4  # two labels hold files of the same name


def test_mean_tokens_are_one_an_image_without_a_patch(tmp_path):
    files = store.token_files(["a", "b"], token_files(tmp_path), "h")
    found = embeddings.collect(files, "1", "mean", 1)
    assert np.array_equal(found.values[3:], files["b"].read("1", "mean", 1))
    assert found.values.shape == (6, 4)
    assert found.names["patch"].isna().all()


def test_blocks_are_the_layer_in_pieces(tmp_path):
    token_files(tmp_path, labels=("a",), images=5)
    with store.open_tokens(str(tmp_path / "a.h5"), "h") as file:
        pieces = list(file.blocks("1", "patch", 2))
        assert [len(piece) for piece in pieces] == [2, 2, 1]
        assert np.array_equal(np.concatenate(pieces), file.read("1", "patch", 2))
        assert file.shape("1", "patch") == (2, 5, 2, 4)
        stream = store.streamer({"a": file}, "1", "patch")
        assert np.array_equal(np.concatenate(list(stream(1, "a"))), file.read("1", "patch", 1))


def test_a_study_may_have_more_labels_than_a_process_may_have_files(tmp_path):
    labels = [f"n{number:03d}" for number in range(24)]
    token_files(tmp_path, labels=labels)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 10, hard))
    try:
        files = store.token_files(labels, tmp_path, "h")
        assert embeddings.collect(files, "1", "mean", 1).values.shape == (72, 4)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_first_images_are_read_and_no_more(tmp_path, monkeypatch):
    files = store.token_files(["a"], token_files(tmp_path, labels=("a",), images=5), "h")
    whole, read = files["a"].read("1", "patch", 2), []
    values = store.TokenFile._values
    monkeypatch.setattr(store.TokenFile, "_values", lambda *given: read.append(values(*given)) or read[-1])
    assert np.array_equal(embeddings.collect(files, "1", "patch", 2, images=2).values, whole[:2].reshape(4, 4))
    assert [len(array) for array in read] == [2, 2]  # patch tokens and which patches they are
    assert np.array_equal(files["a"].read("1", "patch", images=2)[1], whole[:2])


@pytest.mark.parametrize(
    ("points", "same"),
    [
        (np.zeros((5, 4)), True),
        (np.full((5, 4), -3.5), True),
        (np.tile(np.random.default_rng(1).normal(size=16), (9, 1)).astype(np.float32), True),
        (1 + 1e-8 * np.random.default_rng(2).normal(size=(9, 16)), True),
        (1 + 1e-4 * np.random.default_rng(2).normal(size=(9, 16)), False),
        (np.repeat([[0.0, 1], [1, 0]], 4, axis=0), False),
        (1e-30 * np.eye(4), False),  # small, but all there is
    ],
)
def test_points_are_collapsed_where_they_differ_by_rounding_alone(points, same):
    assert embeddings.collapsed(points) is same


def test_layers_that_say_the_same_of_all_images_are_named_and_the_others_kept(caplog):
    names = pd.DataFrame({"label": ["a", "b"], "image": ["1", "2"], "patch": [pd.NA, pd.NA]})
    sets = {
        ("mean", 1): embeddings.Points(np.eye(2, 3), names),
        ("mean", 2): embeddings.Points(np.ones((2, 3)), names),
        ("cls", 1): embeddings.Points(np.zeros((2, 3)), names),
    }
    with caplog.at_level(logging.CRITICAL):
        kept = embeddings.told_apart(sets)
    assert list(kept) == [("mean", 1)] and kept["mean", 1] is sets["mean", 1]
    said = [record.getMessage() for record in caplog.records]
    assert [line.partition(" are the same")[0] for line in said] == ["mean tokens of layer 2", "cls tokens of layer 1"]
