"""Models of several seeds: what they become, and what is refused."""

import copy

from maescope.study import replicates

MODELS = {
    "mae": {"weights": None, "training": {"recipe": "pretrain", "seed": None, "seeds": [3, 5], "initial": None}},
    "tuned": {"weights": None, "training": {"recipe": "finetune", "seed": None, "seeds": [3, 5], "initial": "mae"}},
    "given": {"weights": "w.pth", "training": None},
    "once": {"weights": None, "training": {"recipe": "scratch", "seed": 1, "seeds": None, "initial": None}},
}


def test_an_entry_of_several_seeds_is_as_many_models_each_from_that_of_its_own_seed():
    models, stands_for = replicates.expand(copy.deepcopy(MODELS), 9)
    assert list(models) == ["mae-3", "mae-5", "tuned-3", "tuned-5", "given", "once"]
    assert stands_for["mae"] == ["mae-3", "mae-5"] and stands_for["given"] == ["given"]
    assert models["tuned-5"]["training"] == {"recipe": "finetune", "seed": 5, "initial": "mae-5"}
    assert models["once"]["training"] == {"recipe": "scratch", "seed": 1, "initial": None}
    assert models["tuned-3"]["training"] is not models["tuned-5"]["training"]


def test_several_may_start_from_one():
    models = copy.deepcopy(MODELS)
    models["tuned"]["training"]["initial"] = "given"
    assert not list(replicates.problems(models, 9))
    assert replicates.expand(models, 9)[0]["tuned-3"]["training"]["initial"] == "given"


def test_one_may_start_from_that_of_its_seed_among_several():
    models = copy.deepcopy(MODELS)
    models["tuned"]["training"] |= {"seeds": None}
    assert not list(replicates.problems(models, 5))
    assert replicates.expand(models, 5)[0]["tuned"]["training"] == {"recipe": "finetune", "seed": 5, "initial": "mae-5"}


def test_what_cannot_be_is_named_with_its_numbers():
    models = copy.deepcopy(MODELS)
    assert not list(replicates.problems(models, 9))
    models["mae-3"] = models["given"]
    models["tuned"]["training"]["seeds"] = [3, 7]
    models["once"]["training"] |= {"seeds": [1, 2]}
    words = "\n".join(replicates.problems(models, 9))
    assert "models.mae-3: mae has training.seeds and would make a model of that name" in words
    assert "models.tuned.training.seeds: mae is trained from seeds [3, 5], not 7" in words
    assert "models.once.training: has both seed and seeds" in words
    models = copy.deepcopy(MODELS)
    models["tuned"]["training"] |= {"seeds": None}
    assert "mae is trained from seeds [3, 5], not 9" in "\n".join(replicates.problems(models, 9))
    models["tuned"]["training"]["seed"] = 4
    assert "mae is trained from seeds [3, 5], not 4" in "\n".join(replicates.problems(models, 9))
