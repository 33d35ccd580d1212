"""Where the images of a dataset come from: folders by a pattern, a list, parquet files or tars."""

from collections.abc import Iterator

KINDS = ("pattern", "list", "parquet", "tar")
COLUMNS = {"list": {"path", "label", "split"}, "parquet": {"image", "label"}, "tar": {"label"}, "pattern": set()}


def kind(dataset: dict) -> str:
    """Which of them a dataset has."""
    return next(name for name in KINDS if name in dataset)


def place(dataset: dict) -> str:
    """The pattern, file, folder or glob that is written for it."""
    return dataset[kind(dataset)]


def problems(name: str, dataset: dict) -> Iterator[str]:
    """A dataset has one source, and only what goes with it."""
    key, given = f"datasets.{name}", [one for one in KINDS if one in dataset]
    if len(given) != 1:
        yield f"{key}: has {' and '.join(given) or 'no images'}; give one of {', '.join(KINDS)}"
        return
    (own,) = given
    for other in [other for other in ("root", "split") if other in dataset and own != "list"]:
        yield f"{key}.{other}: only for a list, not {own}; leave it out"
    for column in sorted(dataset.get("columns", {}).keys() - COLUMNS[own]):
        known = ", ".join(sorted(COLUMNS[own])) or "none"
        yield f"{key}.columns.{column}: {own} has no such column (known: {known}); leave it out"
