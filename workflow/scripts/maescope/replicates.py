"""Models that are trained several times, each time from another seed: `training.seeds` makes one entry several."""

import copy
from collections.abc import Iterator


def expand(models: dict) -> tuple[dict, dict[str, list[str]]]:
    """Models with each entry of several seeds made into <name>-<seed>, and what each name stands for.

    What is fine-tuned from a model of several seeds starts from the one of its own seed.
    """
    entries, stands_for = {}, {}
    for name, model in models.items():
        training = model["training"] or {}
        seeds = training.get("seeds")
        stands_for[name] = [f"{name}-{seed}" for seed in seeds] if seeds else [name]
        for own, seed in zip(stands_for[name], seeds or [None], strict=True):
            entries[own] = copy.deepcopy(model)
            if seeds:
                entries[own]["training"] |= {"seed": seed, "initial": _of_seed(training["initial"], seed, models)}
    for model in entries.values():
        (model["training"] or {}).pop("seeds", None)
    return entries, stands_for


def _of_seed(initial: str | None, seed: int, models: dict) -> str | None:
    """The model to start from: that of the same seed, where it has several."""
    several = ((models.get(initial) or {}).get("training") or {}).get("seeds")
    return f"{initial}-{seed}" if several else initial


def problems(models: dict) -> Iterator[str]:
    """Names that seeds would make twice, and seeds without a model to start from."""
    for name, model in models.items():
        training = model["training"] or {}
        seeds, initial = training.get("seeds") or [], models.get(training.get("initial")) or {}
        for twice in sorted({f"{name}-{seed}" for seed in seeds} & set(models)):
            yield f"models.{twice}: {name} has training.seeds and would make a model of that name; rename one of them"
        others = (initial.get("training") or {}).get("seeds") or []
        if others and (missing := sorted(set(seeds or [training["seed"]]) - set(others), key=str)):
            lacking = ", ".join(map(str, missing))
            yield f"models.{name}.training.seeds: {training['initial']} is trained from seeds {others}, not {lacking}"
        if seeds and training["seed"] is not None:
            yield f"models.{name}.training: has both seed and seeds; leave one of them out"
