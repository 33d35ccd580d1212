"""Models that are trained several times, each time from another seed: `training.seeds` makes one entry several."""

import copy
from collections.abc import Iterator


def expand(models: dict, default: int) -> tuple[dict, dict[str, list[str]]]:
    """Models with each entry of several seeds made into <name>-<seed>, and what each name stands for.

    What is fine-tuned from a model of several seeds starts from the one of its own seed.

    Parameters
    ----------
    default : the seed of what is trained from a single one and does not say which
    """
    entries, stands_for = {}, {}
    for name, model in models.items():
        training = model["training"] or {}
        stands_for[name] = [f"{name}-{seed}" for seed in training["seeds"]] if training.get("seeds") else [name]
        for own, seed in zip(stands_for[name], _seeds(training, default), strict=True):
            entries[own] = copy.deepcopy(model)
            if training:
                entries[own]["training"] |= {"seed": seed, "initial": _of_seed(training["initial"], seed, models)}
                del entries[own]["training"]["seeds"]
    return entries, stands_for


def as_written(problem: str, stands_for: dict[str, list[str]]) -> str:
    """A problem of a model of several seeds under the key of the entry that makes it."""
    for name, own in stands_for.items():
        for one in own:
            if problem.startswith(f"models.{one}."):
                return f"models.{name}{problem.removeprefix(f'models.{one}')}"
    return problem


def of_seeds(name: str, models: dict) -> str:
    """What a name that is no model stands for, in words that go behind it: nothing, or the models of several seeds."""
    trained = {one: model["training"] for one, model in models.items() if model["training"]}
    own = [one for one, training in trained.items() if one == f"{name}-{training['seed']}"]
    return f" (it has several seeds; name one: {', '.join(map(repr, own))})" if own else ""


def _seeds(training: dict, default: int) -> list[int]:
    """The seeds that a model is trained from."""
    single = training.get("seed")
    return training.get("seeds") or [default if single is None else single]


def _of_seed(initial: str | None, seed: int, models: dict) -> str | None:
    """The model to start from: that of the same seed, where it has several."""
    several = ((models.get(initial) or {}).get("training") or {}).get("seeds")
    return f"{initial}-{seed}" if several else initial


def problems(models: dict, default: int) -> Iterator[str]:
    """Names that seeds would make twice, and seeds without a model to start from."""
    for name, model in models.items():
        training = model["training"] or {}
        seeds, initial = training.get("seeds") or [], models.get(training.get("initial")) or {}
        for twice in sorted({f"{name}-{seed}" for seed in seeds} & set(models)):
            yield f"models.{twice}: {name} has training.seeds and would make a model of that name; rename one of them"
        others = (initial.get("training") or {}).get("seeds") or []
        if others and (missing := sorted(set(_seeds(training, default)) - set(others), key=str)):
            lacking = ", ".join(map(str, missing))
            yield f"models.{name}.training.seeds: {training['initial']} is trained from seeds {others}, not {lacking}"
        if seeds and training["seed"] is not None:
            yield f"models.{name}.training: has both seed and seeds; leave one of them out"
